"""Workloads by name: 'family' or 'family/variant', as in 'criteo1tb/mini'.

AlgoPerf's names, with an underscore instead of the slash, work as well.

A family is a module in one of the folders clicks, graphs, images, mri, speech
and text, with a literal dictionary VARIANTS of workloads by name. `names`
parses these dictionaries without importing their modules, and needs neither JAX
nor a data library. `get` imports only the requested family.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import pathlib
from typing import TYPE_CHECKING, Any

from workloads import suggestions, worlds

if TYPE_CHECKING:
  from collections.abc import Sequence

  from workloads.workload import Workload


@functools.cache
def names() -> tuple[str, ...]:
  """Return the names of all registered workloads and variants."""
  return tuple(name for _, variants in _families() for name in variants)


def canonical(name: str) -> str:
  """Convert AlgoPerf's 'criteo1tb_layernorm' to 'criteo1tb/layernorm'."""
  if name in names():
    return name
  known = {known.replace('/', '_'): known for known in names()}
  return known.get(name, name)


def check(name: str) -> str:
  """Return the registered name of a workload.

  Raises:
    ValueError: There is no such workload. The message names the closest one.
  """
  if _module(name):
    return name
  name = canonical(name)
  if name in names():
    return name
  hint = suggestions.hint(name, names())
  raise ValueError(f'No workload {name!r}.{hint} Known: {", ".join(names())}.')


def get(name: str, quirks: Sequence[str] = (), world: int = 0) -> Workload:
  """Return a workload by its name; import only its family.

  Args:
    name: Registered name or AlgoPerf's name.
    quirks: Keys of the workload's QUIRKS: mistakes of AlgoPerf's code to
      reproduce.
    world: World of generated data: workloads/worlds.py.

  Raises:
    ValueError: The workload, the quirk or the world does not exist.
  """
  name = check(name)
  workload = importlib.import_module(_module(name)).VARIANTS[name]
  for quirk in quirks:
    if quirk not in workload.QUIRKS:
      known = ', '.join(workload.QUIRKS) or 'none'
      raise ValueError(f'{name} has no quirk {quirk!r}. It has: {known}.')
  worlds.check(name, world)
  changed: dict[str, Any] = {}
  if quirks:  # Workloads without QUIRKS have no field `quirks`.
    changed['quirks'] = tuple(quirks)
  if world:  # Workloads without worlds have no field `world`.
    changed['world'] = world
  return dataclasses.replace(workload, **changed) if changed else workload


@functools.cache
def _module(name: str) -> str:
  """Return the module of a workload, or '' if there is no such workload.

  Only the file of the family is read: all files take 0.1 s.
  """
  family = name.partition('/')[0]
  for path in pathlib.Path(__file__).parent.glob('*/*.py'):
    if path.stem == family and name in _variants(path):
      return _name(path)
  return ''


def _name(path: pathlib.Path) -> str:
  return f'workloads.{path.parent.name}.{path.stem}'


@functools.cache
def _families() -> tuple[tuple[str, tuple[str, ...]], ...]:
  """Return the module of each family and the names of its workloads."""
  here = pathlib.Path(__file__).parent
  files = sorted(here.glob('*/*.py'), key=lambda path: path.stem)
  return tuple(
    (_name(path), tuple(variants))
    for path in files
    if (variants := _variants(path))
  )


def _variants(path: pathlib.Path) -> list[str]:
  for node in ast.parse(path.read_text(encoding='utf-8')).body:
    match node:
      case ast.Assign(
        targets=[ast.Name(id='VARIANTS')], value=ast.Dict(keys=keys)
      ):
        return [str(k.value) for k in keys if isinstance(k, ast.Constant)]
  return []
