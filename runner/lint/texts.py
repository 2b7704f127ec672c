"""Texts that a source computes from texts that are written in it."""

import ast

from runner.lint.bindings import elements
from runner.lint.names import Names

LONGEST = 200  # Characters of a text that are computed.


DEEPEST = 12  # Expressions that are followed from a text to its parts.


def folded(names: Names, node: ast.AST | None, depth: int = 0) -> str | None:
  """Return the text that an expression makes, or None if it is not known.

  Args:
    names: Names of the source.
    node: The expression.
    depth: Number of expressions around it that were followed.
  """
  if depth > DEEPEST:
    return None
  match node:
    case ast.Constant(value=str(text)):
      return text[:LONGEST]
    case ast.Constant(value=bytes(data)):
      return data[:LONGEST].decode('latin-1')
    case ast.Name():
      values = names.values(node)
      alone = values[0] if len(values) == 1 else None
      known = isinstance(alone, ast.expr)
      return folded(names, alone, depth + 1) if known else None
  return _composed(names, node, depth + 1)


def _composed(names: Names, node: ast.AST | None, depth: int) -> str | None:
  """Return the text that an operation makes of other texts."""
  again = lambda x: folded(names, x, depth)  # noqa: E731
  found = None
  match node:
    case ast.BinOp(left=left, op=ast.Add(), right=right):
      found = _joined([again(left), again(right)], '')
    case ast.JoinedStr(values=parts):
      found = _joined([again(part) for part in parts], '')
    case ast.FormattedValue(value=value, format_spec=None):
      found = again(value)
    case ast.Subscript(value=value, slice=index):
      found = _sliced(again(value), index)
    case ast.Call(func=ast.Attribute(value=base, attr='join'), args=[parts]):
      found = _joined([again(x) for x in elements(parts)], again(base))
    case ast.Call(func=ast.Attribute(value=base, attr=attr), args=args):
      found = _changed(again(base), attr, [again(x) for x in args])
  return found


def _joined(parts: list[str | None], between: str | None) -> str | None:
  known = [part for part in parts if part is not None]
  if between is None or len(known) < len(parts):
    return None
  return between.join(known)[:LONGEST]


def _sliced(text: str | None, index: ast.expr) -> str | None:
  try:
    part = _slice(index)
    return None if text is None or part is None else text[part]
  except (ValueError, TypeError, IndexError):
    return None


def _slice(index: ast.expr) -> slice | int | None:
  """Return a slice or an index that is written with numbers, else None."""
  match index:
    case ast.Slice(lower=lower, upper=upper, step=step):
      ends = [None if x is None else ast.literal_eval(x) for x in
              (lower, upper, step)]  # fmt: skip
      return slice(*ends)
  found = ast.literal_eval(index)
  return found if isinstance(found, int) else None


def _changed(text: str | None, method: str, args: list) -> str | None:
  """Return a text after one of its methods that make another text."""
  if text is None or any(arg is None for arg in args):
    return None
  match method, args:
    case (('lower' | 'upper' | 'strip' | 'title' | 'capitalize'), []):
      return getattr(text, method)()
    case 'replace', [old, new]:
      return text[:LONGEST].replace(old[:LONGEST], new)[:LONGEST]
    case (('decode' | 'encode'), _):
      return text
  return None
