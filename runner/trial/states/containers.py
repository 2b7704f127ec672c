"""Types and metadata of containers as JSON, for trees of states.

Types are stored by name and must be in modules that the process has loaded: a
name in a checkpoint imports nothing.
"""

import enum
import sys
from collections.abc import Callable
from typing import Any

PLAIN = (type(None), bool, int, float, str)  # Types of JSON's plain values.


class UnstorableError(ValueError):
  """A part of a state cannot be stored; the message says which part."""


class UnfitError(ValueError):
  """A stored state cannot be rebuilt; the message says why."""


def encoded(value: Any) -> Any:
  """Return the metadata of a node as JSON."""
  if type(value) in PLAIN:
    return {'value': value}
  if type(value) in (tuple, list):
    return {type(value).__name__: [encoded(one) for one in value]}
  if type(value) is dict:
    return {'dict': [[encoded(k), encoded(v)] for k, v in value.items()]}
  if isinstance(value, bytes):
    return {'bytes': value.hex()}
  if isinstance(value, enum.Enum) and is_found(type(value)):
    return {'member': [name_of(type(value)), value.name]}
  if callable(value) and is_found(value):
    return {'named': name_of(value)}
  what = getattr(value, '__qualname__', type(value).__qualname__)
  raise UnstorableError(
    f'the state has {what}, which differs from the first state'
  )


def decoded(said: dict[str, Any]) -> Any:
  """Undo `encoded`."""
  [(kind, value)] = said.items()
  return DECODED[kind](value)


def _member(said: list[str]) -> enum.Enum:
  name, member = said
  return found(name)[member]


def name_of(value: Any) -> str:
  """Return the name of a class or function: 'module:name'."""
  return f'{value.__module__}:{value.__qualname__}'


def is_found(value: Any) -> bool:
  """Test whether a value can be imported by its name."""
  try:
    return found(name_of(value)) is value
  except (AttributeError, UnfitError):
    return False


def found(name: str) -> Any:
  """Return the class or function of a name.

  Raises:
    UnfitError: no module that is loaded has it.
  """
  module, _, path = name.partition(':')
  value: Any = sys.modules.get(module)
  for part in path.split('.'):
    value = getattr(value, part, None)
  if value is None:
    raise UnfitError(f'{name} is not found any more')
  return value


DECODED: dict[str, Callable[[Any], Any]] = {
  'value': lambda value: value,
  'tuple': lambda values: tuple(map(decoded, values)),
  'list': lambda values: list(map(decoded, values)),
  'dict': lambda pairs: {decoded(k): decoded(v) for k, v in pairs},
  'bytes': bytes.fromhex,
  'member': _member,
  'named': found,
}
