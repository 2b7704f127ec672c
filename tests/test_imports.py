"""Who may import whom.

`workloads` <- `submissions` <- `runner`; `scoring` reads files, and shares with
the runner the modules that define them and the one that ends commands. Read
from the source, so imports within functions count too.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
OURS = ('workloads', 'submissions', 'runner', 'scoring', 'configs', 'tests')
ALLOWED = {
  'workloads': ('workloads',),
  'submissions': ('workloads', 'submissions'),
  'runner': ('workloads', 'submissions', 'runner'),
  'scoring': (
    'scoring',
    'runner.metrics',
    'runner.rules',
    'runner.records',
    'runner.storage',
    'runner.stored_plan',
    'runner.pipes',
    'runner.quantities',
    'runner.user_files',
  ),
}
LIGHT = (  # A laptop with pandas can score what a cluster ran.
  *sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob('scoring/*.py')
  ),
  'workloads/__init__.py',
  'submissions/__init__.py',
  'runner/__init__.py',
  'runner/metrics.py',
  'runner/quantities.py',
  'runner/rules.py',
  'runner/records.py',
  'runner/storage.py',
  'runner/stored_plan.py',
  'runner/suite_files.py',
  'runner/user_files.py',
)
HEAVY = ('jax', 'jaxlib', 'flax', 'optax')
FILES = [
  path.relative_to(ROOT).as_posix()
  for package in ALLOWED
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
  allowed = ALLOWED[path.partition('/')[0]]
  imports = _imports((ROOT / path).read_text())
  ours = [name for name in imports if _within(name, OURS)]
  assert [name for name in ours if not _within(name, allowed)] == []


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
  from runner import rules
"""
  found = ['jax.numpy', 'runner.rules', 'typing.TYPE_CHECKING']
  assert sorted(_imports(source)) == found
