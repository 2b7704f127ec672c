"""Workloads by name: 'family' or 'family/variant', as in 'criteo1tb/mini'.

AlgoPerf's names, which join the two by an underscore, are understood as well.

A family is a module in one of the rooms (clicks, graphs, images, mri, speech,
text) with a literal dictionary VARIANTS of workloads by name. Names are read
from the source without running it, so that listing them imports neither JAX nor
a data library; `get` imports only the family asked for.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import importlib
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Sequence

  from workloads.workload import Workload


@functools.cache
def names() -> tuple[str, ...]:
  """Every registered workload and variant."""
  return tuple(name for _, variants in _families() for name in variants)


def canonical(name: str) -> str:
  """'criteo1tb_layernorm' becomes 'criteo1tb/layernorm'; others stay."""
  if name in names():
    return name
  known = {known.replace('/', '_'): known for known in names()}
  return known.get(name, name)


def check(name: str) -> str:
  """The name as it is registered.

  Raises:
    ValueError: there is no such workload; names the closest one.
  """
  name = canonical(name)
  if name in names():
    return name
  close = difflib.get_close_matches(name, names(), n=1)
  hint = f' Did you mean {close[0]!r}?' if close else ''
  raise ValueError(f'No workload {name!r}.{hint} Known: {", ".join(names())}.')


def get(name: str, quirks: Sequence[str] = ()) -> Workload:
  """The workload of that name; imports its family only.

  Args:
    name: As registered, or AlgoPerf's.
    quirks: Oddities of AlgoPerf's code to reproduce, of the workload's QUIRKS.

  Raises:
    ValueError: there is no such workload, or it has no such quirk.
  """
  name = check(name)
  module = next(module for module, names in _families() if name in names)
  workload = importlib.import_module(module).VARIANTS[name]
  for quirk in quirks:
    if quirk not in workload.QUIRKS:
      known = ', '.join(workload.QUIRKS) or 'none'
      raise ValueError(f'{name} has no quirk {quirk!r}. It has: {known}.')
  if not quirks:
    return workload  # Which need not have the field.
  return dataclasses.replace(workload, quirks=tuple(quirks))


@functools.cache
def _families() -> tuple[tuple[str, tuple[str, ...]], ...]:
  """Return the module of each family and the names of its workloads."""
  here = pathlib.Path(__file__).parent
  files = sorted(here.glob('*/*.py'), key=lambda path: path.stem)
  return tuple(
    (f'workloads.{path.parent.name}.{path.stem}', tuple(variants))
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
