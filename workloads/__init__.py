"""Workloads by name: 'family' or 'family/variant', as in 'criteo1tb/mini'.

AlgoPerf's names, which join the two by an underscore, are understood as well.

A family is a module here with a literal dictionary VARIANTS of workloads by
name. Names are read from the source without running it, so that listing them
imports neither JAX nor a data library; `get` imports only the family asked for.
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
  here = pathlib.Path(__file__).parent
  return tuple(n for path in sorted(here.glob('*.py')) for n in _variants(path))


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
  family = name.partition('/')[0]
  workload = importlib.import_module(f'workloads.{family}').VARIANTS[name]
  for quirk in quirks:
    if quirk not in workload.QUIRKS:
      known = ', '.join(workload.QUIRKS) or 'none'
      raise ValueError(f'{name} has no quirk {quirk!r}. It has: {known}.')
  if not quirks:
    return workload  # Which need not have the field.
  return dataclasses.replace(workload, quirks=tuple(quirks))


def _variants(path: pathlib.Path) -> list[str]:
  for node in ast.parse(path.read_text(encoding='utf-8')).body:
    match node:
      case ast.Assign(
        targets=[ast.Name(id='VARIANTS')], value=ast.Dict(keys=keys)
      ):
        return [str(k.value) for k in keys if isinstance(k, ast.Constant)]
  return []
