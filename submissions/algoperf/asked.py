"""Hyperparameters that a submission always reads, found in its source.

Only certain reads count. Reads below a condition or in a nested function do not
count, nor do reads of names that the file tests first, as with `hasattr`.
"""

import ast
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from submissions.literals import NOT_PYTHON, parsed

# Position of the argument `hyperparameters` in each of AlgoPerf's functions.
HANDED = {
  'init_optimizer_state': 3,
  'data_selection': 5,
  'update_params': 4,
  'prepare_for_eval': 4,
}
# Attributes that every point has, whatever its hyperparameters.
METHODS = ('get', 'items', 'keys', 'values', 'count', 'index')
ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)


class Read(NamedTuple):
  """A read of a hyperparameter in a source file."""

  line: int
  name: str


def reads(file: pathlib.Path) -> list[Read]:
  """List the hyperparameters that a file always reads, by line."""
  try:
    tree = parsed(file)
  except NOT_PYTHON:
    return []
  known = {
    node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)
  }
  found: set[Read] = set()
  for name, place in HANDED.items():
    arguments = _arguments(known[name]) if name in known else []
    handed = [one for one in arguments if one == 'hyperparameters']
    for argument in handed or arguments[place : place + 1]:
      found |= set(_reads(known[name], argument, known, frozenset()))
  return sorted(found)


def names(file: pathlib.Path) -> set[str]:
  """Return the names of the hyperparameters that a file always reads."""
  return {one.name for one in reads(file)}


def lacking(file: pathlib.Path, points: list[set[str]]) -> list[Read]:
  """List the reads of names that a point lacks; all reads without points."""
  found = reads(file)
  if not points:
    return found
  fields = [
    one
    for one in found
    if one.name not in METHODS and not one.name.startswith('_')
  ]
  return [
    one for one in fields if any(one.name not in point for point in points)
  ]


def _arguments(function: ast.FunctionDef) -> list[str]:
  given = function.args
  return [
    one.arg for one in [*given.posonlyargs, *given.args, *given.kwonlyargs]
  ]


def _reads(
  function: ast.FunctionDef,
  argument: str,
  known: dict[str, ast.FunctionDef],
  seen: frozenset[tuple[str, str]],
) -> Iterator[Read]:
  """Yield what a function, and the functions it calls, read of an argument."""
  here = (function.name, argument)
  if here in seen or _is_careful(function, argument):
    return
  inner = [node for node in function.body if isinstance(node, ast.FunctionDef)]
  known = known | {node.name: node for node in inner}
  for node in _certain(function.body):
    match node:
      case ast.Attribute(value=ast.Name(id=name), attr=read):
        if name == argument:
          yield Read(node.lineno, read)
      case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=k)):
        if name == argument:
          yield Read(node.lineno, str(k))
      case ast.Call(func=ast.Name(id=name)) if name in known:
        for passed in _passed(node, known[name], argument):
          yield from _reads(known[name], passed, known, seen | {here})


def _is_careful(function: ast.FunctionDef, argument: str) -> bool:
  """Return whether a function replaces an argument or tests its value."""
  for node in ast.walk(function):
    match node:
      case ast.Name(id=name, ctx=ast.Store()) if name == argument:
        return True
      case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
        if argument in _bare(node):
          return True
      case ast.If(test=test) | ast.IfExp(test=test) | ast.Assert(test=test):
        if argument in _bare(test):
          return True
      case ast.Call(func=ast.Name(id='isinstance' | 'bool' | 'len')):
        if argument in _bare(node):
          return True
  return False


def _bare(node: ast.AST) -> set[str]:
  """Names used as whole values in an expression, not for their attributes."""
  inner = [node, *ast.iter_child_nodes(node)]
  return {one.id for one in inner if isinstance(one, ast.Name)}


def _passed(
  call: ast.Call, function: ast.FunctionDef, argument: str
) -> Iterator[str]:
  """Yield the parameters of a function to which a call passes `argument`."""
  for name, value in zip(_arguments(function), call.args, strict=False):
    if isinstance(value, ast.Name) and value.id == argument:
      yield name
  for keyword in call.keywords:
    if isinstance(keyword.value, ast.Name) and keyword.value.id == argument:
      yield keyword.arg or ''


def _certain(body: list[ast.stmt]) -> Iterator[ast.AST]:
  """Yield the nodes that are always evaluated when the statements run."""
  for statement in body:
    match statement:
      case ast.If(test=part) | ast.While(test=part) | ast.For(iter=part):
        yield from _whenever(part)
        if any(isinstance(node, ENDS) for node in ast.walk(statement)):
          return
      case ast.With(items=items, body=inner):
        for item in items:
          yield from _whenever(item.context_expr)
        yield from _certain(inner)
      case ast.Try() | ast.TryStar() | ast.Match():
        return
      case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
        continue
      case _:
        yield from _whenever(statement)
        if isinstance(statement, ENDS):
          return


def _whenever(node: ast.AST) -> Iterator[ast.AST]:
  """Yield a node and the nodes inside that are always evaluated with it."""
  yield node
  match node:
    case ast.IfExp(test=test):
      inner: list[ast.AST] = [test]
    case ast.BoolOp(values=[first, *_]):
      inner = [first]
    case ast.Lambda() | ast.GeneratorExp() | ast.ListComp() | ast.SetComp():
      inner = []
    case ast.DictComp() | ast.AnnAssign(value=None):
      inner = []
    case _:
      inner = list(ast.iter_child_nodes(node))
  for one in inner:
    yield from _whenever(one)
