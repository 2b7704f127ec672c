"""Comparison of functions by their code and by the values they refer to."""

import functools
import inspect
import types
from typing import Any

import jax
import numpy as np

PLAIN = (type(None), bool, int, float, complex, str, bytes, types.CodeType)


def same(a: Any, b: Any, seen: frozenset = frozenset()) -> bool:
  """Test whether two values are identical, or functions with the same code.

  Functions are the same if their code, defaults and closures are. So a function
  that is made again in every step stays the same.

  Args:
    a: The first value.
    b: The second value.
    seen: Pairs of ids that are being compared already, in case of cycles.
  """
  pair = (id(a), id(b))
  if a is b or pair in seen:
    return True
  if type(a) is not type(b):
    return False
  if isinstance(a, PLAIN):
    return a == b
  if isinstance(a, jax.Array | np.ndarray | np.generic):
    return a.dtype == b.dtype and np.array_equal(a, b)
  parts, others = _parts(a), _parts(b)
  if parts is None or others is None or len(parts) != len(others):
    return False
  both = zip(parts, others, strict=True)
  return all(same(one, other, seen | {pair}) for one, other in both)


def _parts(value: Any) -> list | None:
  """List the values that a function depends on; None if they are unknown."""
  parts = None
  match value:
    case types.FunctionType():
      defaults = value.__defaults__, value.__kwdefaults__
      parts = [value.__code__, *defaults, *map(_content, _cells(value))]
    case functools.partial():
      parts = [value.func, value.args, value.keywords]
    case types.MethodType():
      parts = [value.__func__, value.__self__]
    case tuple() | list():
      parts = [*value]
    case dict():
      parts = [*value.keys(), *value.values()]
    case _ if callable(value) and inspect.unwrap(value) is not value:
      parts = [inspect.unwrap(value)]  # A compiled function.
  return parts


def _cells(function: types.FunctionType) -> tuple[types.CellType, ...]:
  return function.__closure__ or ()


def _content(cell: types.CellType) -> Any:
  try:
    return cell.cell_contents
  except ValueError:  # The cell is still empty.
    return None
