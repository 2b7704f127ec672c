"""Comparison of code by its source and by what it refers to."""

import functools
import inspect
import types
from typing import Any

import jax
import numpy as np

PLAIN = (type(None), bool, int, float, complex, str, bytes, types.CodeType)


def same(a: Any, b: Any, seen: frozenset = frozenset()) -> bool:
  """Return whether two values are one thing, or code of the same source.

  A function that is made anew in every step is the one that it was, if what it
  refers to is.
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
  """List what a piece of code depends on; None if that is unknown."""
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
  except ValueError:  # Nothing is in it yet.
    return None
