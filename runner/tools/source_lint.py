"""Findings in a submission's source: what is not known to be only training.

No harness can enforce every rule in one process, so the source is read as well,
without running it, by what is allowed. An import, an attribute, a class or a
literal that is not known to be harmless is a finding, by file and line. A
finding may be innocent: somebody has to read it, and it refuses nothing. The
rules are AlgoPerf's (https://github.com/mlcommons/algorithmic-efficiency),
section "Valid submissions".
"""

import ast
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from runner.lint import attributes, classes, literals, objects, uses
from runner.lint.allowed import is_module
from runner.lint.meanings import WEIGHTS
from runner.lint.names import Names
from submissions.algoperf import folders, own
from submissions.literals import NOT_PYTHON, parsed

TEXTS = ('', '.json', '.md', '.rst', '.toml', '.txt')  # Files beside the code.


class Finding(NamedTuple):
  """A place in the source to read; sorts by place."""

  file: str
  line: int
  text: str


def look(path: pathlib.Path) -> list[Finding]:
  """List the findings in the source of a submission, a file or a folder."""
  found: set[Finding] = set()
  root = folders.layout(path).root
  algoperf = folders.is_one(path)
  data = 0  # Bytes of literals so far.
  shared = _shared(folders.files(path)) if algoperf else frozenset()
  for name, file in folders.parts(path).items():
    if file.suffix != '.py':
      found |= {Finding(name, 0, text) for text in _beside(file)}
      continue
    try:
      tree = _with_annotations(parsed(file))
      said = {*_said(tree, _own(root, file, algoperf), shared, algoperf)}
      said |= {*literals.find_large(tree, data)}
      data += sum(size for _, size in literals.sizes(tree))
      said |= {*_absent(root, file)} if algoperf else set()
    except RecursionError:
      said = {(0, 'This is nested too deeply to be read. Write it flatter.')}
    except NOT_PYTHON as error:
      said = {(0, f'This is not Python: {error}.')}
    found |= {Finding(name, line, text) for line, text in said}
  return sorted(found)


def _said(
  tree: ast.Module, mine: set[str], shared: frozenset[str], algoperf: bool
) -> Iterator[tuple[int, str]]:
  names = Names(tree, mine.__contains__, shared)
  yield from uses.find(names, algoperf)
  for access in attributes.accesses(names):
    yield from attributes.meant(access, names, algoperf)
  yield from objects.find(names)
  yield from classes.find(names)
  yield from literals.find(names)


def _shared(files: list[pathlib.Path]) -> frozenset[str]:
  """Return the names that any of the files binds to a module of others."""
  found: set[str] = set()
  for file in files:
    try:
      bound = folders.bound(parsed(file)) if file.suffix == '.py' else {}
    except NOT_PYTHON:
      continue  # Said where the file is read.
    found |= {n for n, (_, full) in bound.items() if is_module(full)}
  return frozenset(found)


def _own(root: pathlib.Path, file: pathlib.Path, algoperf: bool) -> set[str]:
  """Return the modules as written that are files of the submission."""
  found = own.imports(root, file) if algoperf else []
  written = {one.module for one in found if one.module}
  return written | {'.'.join(one.name) for one in found if one.name}


def _absent(
  root: pathlib.Path, file: pathlib.Path
) -> Iterator[tuple[int, str]]:
  """Yield relative imports that no source file answers."""
  for line, name in own.absent(root, file):
    yield line, f'{name} is no source file, so it cannot be read.'


def _beside(file: pathlib.Path) -> Iterator[str]:
  """Yield what a file that is not Python may mean."""
  size = file.stat().st_size
  if file.suffix not in TEXTS or (
    size > literals.MOST and file.suffix != '.md' and file.stem
    not in ('LICENSE', 'README')
  ):  # fmt: skip
    yield (f'A file of {size} bytes that is not source {WEIGHTS}')


def _with_annotations(tree: ast.Module) -> ast.Module:
  """Read annotations that are written as texts, because Python may run them."""

  class Reader(ast.NodeTransformer):
    def visit_Constant(self, node):
      if not isinstance(node.value, str):
        return node
      try:
        read = ast.parse(node.value.strip(), mode='eval').body
      except NOT_PYTHON:
        return node
      return ast.fix_missing_locations(
        _moved(ast.copy_location(read, node), node)
      )

  for node in ast.walk(tree):
    for field in ('annotation', 'returns'):
      written = getattr(node, field, None)
      if isinstance(written, ast.expr):
        setattr(node, field, Reader().visit(written))
  return tree


def _moved(read: ast.expr, node: ast.Constant) -> ast.expr:
  for inner in ast.walk(read):
    if isinstance(inner, ast.expr):
      inner.lineno = node.lineno
  return read
