"""Rooms, and the arrows between them.

Read from the source, so imports within functions count too.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
OURS = ('workloads', 'submissions', 'runner', 'scoring', 'configs', 'tests')
FIELDS = ('clicks', 'graphs', 'images', 'mri', 'speech', 'text')
# Rooms of any size: their modules are found by name.
REGISTRIES = ('submissions/algorithms',)
MOST = 20  # Modules in a room.

# Modules of workloads that every field may use.
SHARED = (
  'workloads.aux_dropout', 'workloads.batches', 'workloads.dropout',
  'workloads.generated', 'workloads.roles', 'workloads.workload',
)  # fmt: skip
TRIAL = (
  'workloads', 'submissions', 'runner.protocol', 'runner.machine',
  'runner.launch', 'runner.guard', 'runner.trial',
)  # fmt: skip
# Imports that each room may have beside its own. A package without rooms of its
# own in this list is a room with all that is in it.
ALLOWED = {
  'workloads': ('workloads',),
  'workloads.data': SHARED,
  **{f'workloads.{field}': ('workloads.data', *SHARED) for field in FIELDS},
  'submissions': ('workloads', 'submissions'),
  'submissions.algorithms': ('workloads', 'submissions'),
  'submissions.algoperf': ('workloads', 'submissions'),
  'runner': ('workloads', 'submissions', 'runner'),
  'runner.protocol': ('workloads.suggestions', 'workloads.worlds'),
  'runner.protocol.suites': (
    'runner.protocol', 'workloads.suggestions', 'workloads.worlds',
  ),
  'runner.protocol.records': ('runner.protocol',),
  'runner.protocol.timing': ('runner.protocol',),
  'runner.machine': ('runner.protocol',),
  'runner.launch': ('submissions', 'runner.protocol', 'runner.machine'),
  'runner.guard': ('workloads',),
  'runner.trial': TRIAL[:-1],
  **{f'runner.trial.{room}': TRIAL for room in ('hosts', 'states')},
  'runner.executors': ('runner.protocol', 'runner.machine', 'runner.launch'),
  'runner.lint': ('workloads', 'submissions'),
  'runner.tools': ('workloads', 'submissions', 'runner'),
  'runner.tools.tuning': ('workloads', 'submissions', 'runner'),
  'scoring': ('workloads', 'submissions', 'scoring', 'runner.protocol'),
  'scoring.load': ('workloads', 'runner.protocol'),
  'scoring.forecast': ('runner.protocol', 'scoring.load'),
  'scoring.rank': ('runner.protocol', 'scoring.load', 'scoring.forecast'),
  'scoring.report': ('runner.protocol', 'scoring.load', 'scoring.rank'),
  'scoring.report.page': (
    'runner.protocol', 'scoring.load', 'scoring.rank', 'scoring.report',
  ),
  'scoring.site': ('workloads', 'runner.protocol'),
}  # fmt: skip
LIGHT = (  # A laptop with pandas can score what a cluster ran.
  *sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob('scoring/**/*.py')
  ),
  *sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.glob('runner/protocol/**/*.py')
  ),
  'workloads/__init__.py',
  'submissions/__init__.py',
  'runner/__init__.py',
)
HEAVY = ('jax', 'jaxlib', 'flax', 'optax')
FILES = [
  path.relative_to(ROOT).as_posix()
  for package in ('workloads', 'submissions', 'runner', 'scoring')
  for path in sorted(ROOT.glob(f'{package}/**/*.py'))
  if path.parent.name != 'exported'  # Copied, for others to import.
]


def _imports(source: str) -> list[str]:
  """Full names of what is imported; what only a type checker reads is not."""
  found = []
  nodes = [ast.parse(source)]
  while nodes:
    match nodes.pop():
      case ast.If(test=ast.Name(id='TYPE_CHECKING'), orelse=rest):
        nodes += rest
      case ast.Import(names=names):
        found += [alias.name for alias in names]
      case ast.ImportFrom(module=module, names=names, level=level):
        assert level == 0, f'Relative import of {module}.'
        found += [f'{module}.{alias.name}' for alias in names]
      case node:
        nodes += ast.iter_child_nodes(node)
  return found


def _within(name: str, modules: tuple[str, ...]) -> bool:
  return any(name == m or name.startswith(f'{m}.') for m in modules)


def _files(name: str) -> list[str]:
  """Files that importing this name of ours runs."""
  parts = name.split('.')
  paths = [
    '/'.join(parts[:n]) + end
    for n in range(1, len(parts) + 1)
    for end in ('.py', '/__init__.py')
  ]
  return [path for path in paths if (ROOT / path).is_file()]


@pytest.mark.parametrize('path', FILES)
def test_imports_follow_the_arrows(path):
  room = _room(path)
  imports = _imports((ROOT / path).read_text())
  ours = [name for name in imports if _within(name, OURS)]
  allowed = (room, *ALLOWED[room])
  assert [name for name in ours if not _within(name, allowed)] == []


def _room(path: str) -> str:
  parts = path.split('/')[:-1]
  names = ('.'.join(parts[:n]) for n in range(len(parts), 0, -1))
  return next(name for name in names if name in ALLOWED)


@pytest.mark.parametrize('room', sorted(ALLOWED))
def test_rooms_are_small_and_say_what_they_are_for(room):
  folder = ROOT / room.replace('.', '/')
  modules = [path for path in folder.glob('*.py') if path.stem[0] != '_']
  if folder.relative_to(ROOT).as_posix() not in REGISTRIES:
    assert len(modules) <= MOST
  text = ast.get_docstring(ast.parse((folder / '__init__.py').read_text()))
  assert text and len(text.splitlines()) >= 1


def test_no_module_imports_itself_by_others():
  """A module of ours that is imported runs before the one that imports it."""
  arrows = {
    file: {
      f
      for name in _imports((ROOT / file).read_text())
      if _within(name, OURS)
      for f in _files(name)
      if not f.endswith('__init__.py')
    }
    for file in FILES
  }
  left = dict(arrows)
  while ends := [f for f, to in left.items() if not to & left.keys()]:
    for file in ends:
      del left[file]
  assert sorted(left) == []


@pytest.mark.parametrize('path', LIGHT)
def test_light_modules_reach_no_jax(path):
  """Neither they nor what they import, at whatever remove."""
  seen, waiting = set(), [path]
  while waiting:
    file = waiting.pop()
    if file in seen:
      continue
    seen.add(file)
    imports = _imports((ROOT / file).read_text())
    heavy = [name for name in imports if _within(name, HEAVY)]
    assert heavy == [], f'{path} reaches {heavy} by {file}.'
    waiting += [f for n in imports if _within(n, OURS) for f in _files(n)]


def test_imports_are_found_wherever_they_are():
  source = """
from typing import TYPE_CHECKING
import jax.numpy as jnp
if TYPE_CHECKING:
  from workloads.workload import Workload
def late():
  from runner.protocol.suites import suite
"""
  found = ['jax.numpy', 'runner.protocol.suites.suite', 'typing.TYPE_CHECKING']
  assert sorted(_imports(source)) == found
