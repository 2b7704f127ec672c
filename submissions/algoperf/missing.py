"""Names that an AlgoPerf submission uses but does not get here, by line.

The names are read from the source, before anything runs: attributes of imported
modules, and of arguments called `workload`. Computed names are not found.
"""

import ast
import importlib
import pathlib
import types
from collections.abc import Iterator
from typing import NamedTuple

from submissions import packages
from submissions.algoperf import folders, import_shims, own, workload_adapter
from submissions.literals import NOT_PYTHON, parsed

LIBRARIES = ('jax', 'flax', 'optax', 'chex')
FORBIDDEN = '_build_input_queue'  # Method that AlgoPerf's rules forbid by name.
# Folders in AlgoPerf's repositories that submissions and their imports lie in.
UPSTREAM = (
  'algorithms',
  'baselines',
  'external_tuning',
  'prize_qualification_baselines',
  'reference_algorithms',
  'self_tuning',
  'submissions',
  'submissions_algorithms',
  'target_setting_algorithms',
)


class Missing(NamedTuple):
  """A name that is used but not available."""

  file: str
  line: int
  text: str
  package: str = ''  # The package to install, if that would help.


def find(path: pathlib.Path) -> list[Missing]:
  """List the missing names of a submission, by file and line."""
  found = []
  root, main = folders.layout(path)
  for file in own.reached(root, [main]):
    name = file.relative_to(root).as_posix()
    try:
      tree = parsed(file)
    except NOT_PYTHON as error:
      found.append(Missing(name, 0, f'This is not Python: {error}.'))
      continue
    spared = packages.optional(tree)
    said = {
      Missing(name, line, text, needed)
      for line, text, needed in (
        *_imports(tree, root, file),
        *_beside(root, file),
        *((line, text, '') for line, text in _names(tree, spared)),
        *((line, text, '') for line, text in _workload(tree)),
      )
      if line not in spared
    }
    found += sorted(said)
  return found


def _imports(
  tree: ast.AST, root: pathlib.Path, file: pathlib.Path
) -> Iterator[tuple[int, str, str]]:
  """Yield imported modules that nothing provides: line, text, package."""
  mine = {
    (one.line, one.module)
    for one in own.imports(root, file)
    if _is_likely(root, one.name, one.own)
  }
  for line, name in packages.wanted(tree):
    first, _, rest = name.partition('.')
    if first in import_shims.PACKAGES:
      if rest and rest.partition('.')[0] not in import_shims.OFFERED:
        known = ', '.join(import_shims.OFFERED)
        yield line, f'{name} is not available here. Use only {known}.', ''
    elif (line, name) in mine or packages.is_ours(name):
      continue
    elif first in packages.OURS or (
      first in UPSTREAM and not packages.is_library(first)
    ):
      text = f'{name} is not in this folder. Put it beside {folders.MAIN}.'
      yield line, text, ''
    elif lacking := packages.missing(name):
      yield line, f'{lacking} is not installed.', lacking


def _is_likely(root: pathlib.Path, full: own.Parts, inner: own.Parts) -> bool:
  """Return whether a name means an own file rather than a missing package."""
  before = full[: len(full) - len(inner)]
  here = root.resolve()
  around = {here.name, *(above.name for above in here.parents[:2])}
  return not before or before[0] in UPSTREAM or bool({*before} & around)


def _beside(
  root: pathlib.Path, file: pathlib.Path
) -> Iterator[tuple[int, str, str]]:
  for line, name in own.absent(root, file):
    yield line, f'{name} does not exist. Add the file or remove the import.', ''


def _names(tree: ast.AST, spared: set[int]) -> Iterator[tuple[int, str]]:
  """Yield attributes of modules that do not exist: line and text."""
  found = folders.bound(tree)
  known = {name: one for name, one in found.items() if one[0] not in spared}
  for name, (line, full) in known.items():
    if _lacks(full):
      yield line, f'{full} (as {name}) is not available here. Replace it.'
  for node in ast.walk(tree):
    if isinstance(node, ast.Attribute):
      full = folders.full_name(node, known)
      if full and _lacks(full):
        yield node.lineno, f'{full} is not available here. Replace it.'


def _lacks(full: str) -> bool:
  """Return whether a full name can be looked up and does not exist."""
  package, *rest = full.split('.')
  if package in import_shims.PACKAGES:
    if len(rest) == 1:
      return rest[0] not in import_shims.OFFERED
    known = import_shims.OFFERED.get(rest[0] if rest else '')
    return known is not None and rest[1] not in known
  if package not in LIBRARIES or not rest or full in import_shims.DRIFT:
    return False
  module, left = importlib.import_module(package), list(rest)
  while left:
    name = left.pop(0)
    found = getattr(module, name, folders)  # The value may be None.
    if found is folders:
      try:
        found = importlib.import_module(f'{module.__name__}.{name}')
      except (AttributeError, ImportError):
        return True
    if not isinstance(found, types.ModuleType):
      return False  # Attributes of classes and objects may be dynamic.
    module = found
  return False


def _workload(tree: ast.AST) -> Iterator[tuple[int, str]]:
  """Yield attributes of `workload` that do not exist: line and text."""
  offered = {
    name for name in dir(workload_adapter.Workload) if not name.startswith('_')
  } | {'metrics_logger'}
  for node in ast.walk(tree):
    match node:
      case ast.Attribute(value=ast.Name(id='workload'), attr=name):
        if name == FORBIDDEN:
          yield (
            node.lineno,
            f"workload.{name} is forbidden by AlgoPerf's rules. Remove it.",
          )
        elif name not in offered:
          yield node.lineno, f'workload.{name} is not available. Replace it.'
