"""What a submission to AlgoPerf uses and does not get here, by file and line.

Read from the source, so it is known before anything runs. Names are followed
from imports and from arguments that are called `workload`; what is fetched by
computed names is not seen.
"""

import ast
import importlib
import importlib.util
import pathlib
import types
from collections.abc import Iterator
from typing import NamedTuple

from submissions.algoperf import folders, surface, view
from submissions.literals import parsed

LIBRARIES = ('jax', 'flax', 'optax', 'chex')
FORBIDDEN = '_build_input_queue'  # Of what AlgoPerf forbids, by name.


class Missing(NamedTuple):
  file: str
  line: int
  text: str


def find(path: pathlib.Path) -> list[Missing]:
  """In the order of files and lines; nothing where all is offered."""
  found = []
  for file in folders.files(path):
    if file.suffix != '.py':
      continue
    name = str(file.relative_to(path)) if path.is_dir() else file.name
    tree = parsed(file)
    said = {*_imports(tree, path), *_names(tree), *_workload(tree)}
    found += [Missing(name, line, text) for line, text in sorted(said)]
  return found


def _imports(tree: ast.AST, path: pathlib.Path) -> Iterator[tuple[int, str]]:
  for line, name in folders.imported(tree):
    parts = name.split('.')
    if parts[0] in surface.PACKAGES:
      if len(parts) > 1 and parts[1] not in surface.OFFERED:
        known = ', '.join(surface.OFFERED)
        yield line, f'{name} is not offered here; {known} are.'
    elif path.name in parts[1:]:
      continue  # Itself, by where it once was.
    elif importlib.util.find_spec(parts[0]) is None:
      yield line, f'{parts[0]} is not installed.'


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
  """What is fetched from modules and is not there."""
  known = folders.bound(tree)
  for name, (line, full) in known.items():
    if _lacks(full):
      yield line, f'{full} (as {name}) is not there.'
  for node in ast.walk(tree):
    if isinstance(node, ast.Attribute):
      full = folders.full_name(node, known)
      if full and _lacks(full):
        yield node.lineno, f'{full} is not there.'


def _lacks(full: str) -> bool:
  """Whether a name is one that can be looked up, and is not there."""
  package, *rest = full.split('.')
  if package in surface.PACKAGES:
    if len(rest) == 1:
      return rest[0] not in surface.OFFERED
    known = surface.OFFERED.get(rest[0] if rest else '')
    return known is not None and rest[1] not in known
  if package not in LIBRARIES or not rest or full in surface.DRIFT:
    return False
  module, left = importlib.import_module(package), list(rest)
  while left:
    name = left.pop(0)
    found = getattr(module, name, folders)  # Some things there are None.
    if found is folders:
      try:
        found = importlib.import_module(f'{module.__name__}.{name}')
      except (AttributeError, ImportError):
        return True
    if not isinstance(found, types.ModuleType):
      return False  # Not a module: what it has is its own affair.
    module = found
  return False


def _workload(tree: ast.AST) -> Iterator[tuple[int, str]]:
  """Attributes of `workload` that it does not have."""
  offered = {
    name for name in dir(view.Workload) if not name.startswith('_')
  } | {'metrics_logger'}
  for node in ast.walk(tree):
    match node:
      case ast.Attribute(value=ast.Name(id='workload'), attr=name):
        if name == FORBIDDEN:
          yield node.lineno, f'workload.{name} must not be called.'
        elif name not in offered:
          yield node.lineno, f'workload.{name} is not there.'
