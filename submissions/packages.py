"""Packages that a submission imports and that are not installed.

Imports are read from the source. An import in a `try`, or only for type
checkers, does not count.
"""

import ast
import importlib.machinery
import importlib.util
import os
import pathlib
import sys
from collections.abc import Iterator

# TimeTrial's own packages.
OURS = ('configs', 'runner', 'scoring', 'submissions', 'tests', 'workloads')
# Arguments of pip install, for modules whose PyPI package has another name.
SOURCES = {
  'absl': 'absl-py',
  'cv2': 'opencv-python',
  'gin': 'gin-config',
  'google.protobuf': 'protobuf',
  'haiku': 'dm-haiku',
  'init2winit': 'git+https://github.com/google/init2winit',
  'learned_optimization': 'git+https://github.com/google/learned_optimization',
  'PIL': 'pillow',
  'precondition': 'git+https://github.com/google-research/precondition',
  'sklearn': 'scikit-learn',
  'tree': 'dm-tree',
  'yaml': 'PyYAML',
}
TRIED = (
  'ImportError',
  'ModuleNotFoundError',
  'AttributeError',
  'Exception',
  'BaseException',
)


def wanted(tree: ast.AST, relative: bool = False) -> Iterator[tuple[int, str]]:
  """Yield line and full name of the modules that a file requires.

  Args:
    tree: The file's syntax tree.
    relative: Include relative imports, with their dots.
  """
  spared = optional(tree)
  for node in ast.walk(tree):
    match node:
      case ast.Import(names=names):
        found = [alias.name for alias in names]
      case ast.ImportFrom(module=str(module), level=0):
        found = [module]
      case ast.ImportFrom(module=module, level=dots) if relative:
        found = ['.' * dots + (module or '')]
      case ast.Call(
        func=ast.Attribute(attr='import_module') | ast.Name(id='__import__'),
        args=[ast.Constant(value=str(name)), *_],
      ) if not name.startswith('.'):
        found = [name]
      case _:
        continue
    if node.lineno not in spared:
      yield from ((node.lineno, name) for name in found)


def optional(tree: ast.AST) -> set[int]:
  """Return the lines whose imports may fail: in `try`, or for type checkers."""
  found: set[int] = set()
  for node in ast.walk(tree):
    match node:
      case ast.Try(body=body, handlers=handlers):
        if any(_catches(handler) for handler in handlers):
          found |= _lines(body)
      case ast.If(test=ast.Name(id=name) | ast.Attribute(attr=name), body=body):
        if name == 'TYPE_CHECKING':
          found |= _lines(body)
  return found


def _catches(handler: ast.ExceptHandler) -> bool:
  if handler.type is None:
    return True
  kinds = [n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)]
  return any(kind in TRIED for kind in kinds)


def _lines(body: list[ast.stmt]) -> set[int]:
  return {
    line
    for node in body
    for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
  }


def missing(module: str) -> str:
  """Return the package of a module if it is not installed, else ''."""
  first, _, rest = module.partition('.')
  if first in sys.stdlib_module_names or first == '__main__':
    return ''
  spec = importlib.util.find_spec(first)
  if spec is None:
    return first
  places = spec.submodule_search_locations
  if not rest or spec.origin is not None or places is None:
    return ''
  # The first part is a namespace that several packages share.
  second = f'{first}.{rest.partition(".")[0]}'
  inner = importlib.machinery.PathFinder.find_spec(second, list(places))
  return second if inner is None else ''


def is_library(name: str) -> bool:
  """Return whether a package belongs to Python or is installed."""
  if name in sys.stdlib_module_names:
    return True
  spec = importlib.util.find_spec(name)
  if spec is None:
    return False
  places = [spec.origin, *(spec.submodule_search_locations or ())]
  parts = [part for place in places if place for part in place.split(os.sep)]
  return bool({'site-packages', 'dist-packages'}.intersection(parts))


def is_ours(name: str) -> bool:
  """Return whether a module belongs to TimeTrial."""
  first, *rest = name.split('.')
  path = pathlib.Path(__file__).parents[1].joinpath(first, *rest)
  there = path.is_dir() or path.with_suffix('.py').is_file()
  return first in OURS and there


def install(packages: set[str]) -> str:
  """Return the command that installs packages in the running environment."""
  sources = sorted(
    {SOURCES.get(one, one.replace('.', '-')) for one in packages}
  )
  return f'{sys.executable} -m pip install {" ".join(sources)}'
