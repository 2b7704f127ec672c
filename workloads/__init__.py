"""Workloads by name: 'family' or 'family/variant', as in 'criteo1tb/mini'.

A family is a module here with a literal dictionary VARIANTS of workloads by
name. Names are read from the source without running it, so that listing them
imports neither JAX nor a data library; `get` imports only the family asked for.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from workloads.workload import Workload


@functools.cache
def names() -> tuple[str, ...]:
  """Every registered workload and variant."""
  here = pathlib.Path(__file__).parent
  return tuple(n for path in sorted(here.glob('*.py')) for n in _variants(path))


def check(name: str) -> str:
  """The name itself.

  Raises:
    ValueError: there is no such workload; names the closest one.
  """
  if name in names():
    return name
  close = difflib.get_close_matches(name, names(), n=1)
  hint = f' Did you mean {close[0]!r}?' if close else ''
  raise ValueError(f'No workload {name!r}.{hint} Known: {", ".join(names())}.')


def get(name: str) -> Workload:
  """The workload of that name; imports its family only."""
  family = check(name).partition('/')[0]
  return importlib.import_module(f'workloads.{family}').VARIANTS[name]


def _variants(path: pathlib.Path) -> list[str]:
  for node in ast.parse(path.read_text()).body:
    match node:
      case ast.Assign(
        targets=[ast.Name(id='VARIANTS')], value=ast.Dict(keys=keys)
      ):
        return [str(k.value) for k in keys if isinstance(k, ast.Constant)]
  return []
