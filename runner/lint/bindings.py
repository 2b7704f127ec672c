"""Names that the statements of a source bind, and to which expressions."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Element(NamedTuple):
  """Value of a name that is bound to an element of something."""

  whole: ast.expr


class Parameter(NamedTuple):
  """Value of a function's parameter."""

  function: ast.AST
  name: str
  first: bool


Value = str | ast.AST | Element | Parameter


def options(node: Value | None) -> Iterator[Value | None]:
  """Yield the expressions, one of which is the value of another one."""
  match node:
    case Element(whole=whole):
      yield from elements(whole)
    case ast.IfExp(body=one, orelse=other):
      yield from (one, other)
    case ast.BoolOp(values=values):
      yield from values
    case ast.NamedExpr(value=value) | ast.Starred(value=value):
      yield value
    case ast.Subscript(value=value):
      yield from elements(value)


def elements(node: ast.AST) -> list[ast.expr]:
  """List the elements that are written in a display of a collection."""
  match node:
    case ast.Tuple(elts=found) | ast.List(elts=found) | ast.Set(elts=found):
      return found
    case ast.Dict(values=found):
      return found
    case ast.Call(args=args):  # enumerate, zip, iter and the like
      return [element for one in args for element in elements(one)]
  return []


def bindings(node: ast.AST) -> Iterator[tuple[ast.AST, Value | None]]:
  """Yield the targets that a node binds, with their values."""
  match node:
    case ast.Assign(targets=targets, value=value):
      yield from ((target, value) for target in targets)
    case ast.AnnAssign(target=target, value=value) if value is not None:
      yield target, value
    case ast.NamedExpr(target=target, value=value):
      yield target, value
    case ast.AugAssign(target=target):
      yield target, None
    case (
      ast.For(target=target, iter=whole)
      | ast.AsyncFor(target=target, iter=whole)
    ):
      yield target, Element(whole)
    case ast.comprehension(target=target, iter=whole):
      yield target, Element(whole)
    case ast.withitem(context_expr=value, optional_vars=target):
      if target is not None:
        yield target, value
    case (
      ast.ExceptHandler(name=str(name))
      | ast.MatchStar(name=str(name))
      | ast.MatchAs(name=str(name))
      | ast.MatchMapping(rest=str(name))
    ):
      yield ast.Name(name), None
