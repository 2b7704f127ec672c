"""What a submission to AlgoPerf uses and does not get here, by file and line.

Read from the source, so it is known before anything runs. Names are followed
from imports and from arguments that are called `workload`; what is fetched by
computed names is not seen.
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
FORBIDDEN = '_build_input_queue'  # Of what AlgoPerf forbids, by name.
# Where submissions lie upstream, and what lies beside them here.
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
  file: str
  line: int
  text: str
  package: str = ''  # Of one that is to be installed.


def find(path: pathlib.Path) -> list[Missing]:
  """In the order of files and lines; nothing where all is offered."""
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
  """Modules that are neither offered, nor installed, nor its own."""
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
        yield line, f'{name} is not offered here; {known} are.', ''
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
  """Return whether a name means an own file, and not a missing package."""
  before = full[: len(full) - len(inner)]
  here = root.resolve()
  around = {here.name, *(above.name for above in here.parents[:2])}
  return not before or before[0] in UPSTREAM or bool({*before} & around)


def _beside(
  root: pathlib.Path, file: pathlib.Path
) -> Iterator[tuple[int, str, str]]:
  for line, name in own.absent(root, file):
    yield line, f'{name} is not there.', ''


def _names(tree: ast.AST, spared: set[int]) -> Iterator[tuple[int, str]]:
  """What is fetched from modules and is not there."""
  found = folders.bound(tree)
  known = {name: one for name, one in found.items() if one[0] not in spared}
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
    name for name in dir(workload_adapter.Workload) if not name.startswith('_')
  } | {'metrics_logger'}
  for node in ast.walk(tree):
    match node:
      case ast.Attribute(value=ast.Name(id='workload'), attr=name):
        if name == FORBIDDEN:
          yield node.lineno, f'workload.{name} must not be called.'
        elif name not in offered:
          yield node.lineno, f'workload.{name} is not there.'
