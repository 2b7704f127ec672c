"""Packages that a submission imports and that are not installed.

The source tells. An import in a `try`, or for type checkers only, does not
count.
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
# Where a package is to be had, if not on PyPI under the name of its module.
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
  """Line and full name of the modules that a file cannot do without.

  Args:
    tree: Of the file.
    relative: Relative ones, too, with their dots.
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
  """Lines that may fail: they are tried, or for type checkers only."""
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
  """The package that a module is of, if it is not installed; else nothing."""
  first, _, rest = module.partition('.')
  if first in sys.stdlib_module_names or first == '__main__':
    return ''
  spec = importlib.util.find_spec(first)
  if spec is None:
    return first
  places = spec.submodule_search_locations
  if not rest or spec.origin is not None or places is None:
    return ''
  second = f'{first}.{rest.partition(".")[0]}'  # The first is shared by many.
  inner = importlib.machinery.PathFinder.find_spec(second, list(places))
  return second if inner is None else ''


def is_library(name: str) -> bool:
  """Return whether a package is Python's own, or an installed one."""
  if name in sys.stdlib_module_names:
    return True
  spec = importlib.util.find_spec(name)
  if spec is None:
    return False
  places = [spec.origin, *(spec.submodule_search_locations or ())]
  parts = [part for place in places if place for part in place.split(os.sep)]
  return bool({'site-packages', 'dist-packages'}.intersection(parts))


def is_ours(name: str) -> bool:
  """Return whether a module is one of TimeTrial's."""
  first, *rest = name.split('.')
  path = pathlib.Path(__file__).parents[1].joinpath(first, *rest)
  there = path.is_dir() or path.with_suffix('.py').is_file()
  return first in OURS and there


def install(packages: set[str]) -> str:
  """The command that installs them in the environment that runs this."""
  sources = sorted(
    {SOURCES.get(one, one.replace('.', '-')) for one in packages}
  )
  return f'{sys.executable} -m pip install {" ".join(sources)}'
