"""Search for code in a submission that looks like more than training.

A harness cannot enforce all rules within one process. So this module lists, by
file and line, code that uses the clock, other data, the workload's name or work
outside of charged time. Such code may be valid: findings are for readers and
refuse no submission. The rules are AlgoPerf's
(https://github.com/mlcommons/algorithmic-efficiency), section "Valid
submissions".
"""

import ast
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import workloads
from submissions.algoperf import folders
from submissions.literals import NOT_PYTHON, parsed

# Possible meanings of names, by the start of the full name.
NAMES = {
  'threading': 'work outside of charged time',
  'multiprocessing': 'work outside of charged time',
  'concurrent': 'work outside of charged time',
  'asyncio': 'work outside of charged time',
  'subprocess': 'work outside of charged time',
  'os.fork': 'work outside of charged time',
  'os.system': 'work outside of charged time',
  'signal': 'signals that the harness uses',
  'os.kill': 'signals that the harness uses',
  'ctypes': 'a way around Python',
  'gc': 'access to other objects of the process',
  'inspect.stack': 'access to the harness',
  'inspect.currentframe': 'access to the harness',
  'sys._getframe': 'access to the harness',
  'sys.modules': 'access to the harness',
  'runner': 'access to the harness',
  'scoring': 'access to the harness',
  'socket': 'the network',
  'urllib': 'the network',
  'http': 'the network',
  'requests': 'the network',
  'os.environ': "the process's environment",
  'os.putenv': "the process's environment",
  'jax.config': 'settings of JAX',
  'os.listdir': 'files',
  'os.walk': 'files',
  'os.scandir': 'files',
  'glob': 'files',
  'pathlib': 'files',
  'shutil': 'files',
  'pickle': 'files',
  'tensorflow_datasets': 'other data',
}
CALLS = {  # Functions without a module.
  'open': 'files',
  'eval': 'code that cannot be read',
  'exec': 'code that cannot be read',
  '__import__': 'code that cannot be read',
  'globals': 'code that cannot be read',
  'setattr': 'a change of another object',
}
METHODS = {  # Methods of any object.
  'source': 'other data than the given batches',
  'eval_stats': 'an evaluation of its own',
  'eval_model': 'an evaluation of its own',
  'load': 'files',
}
TIMES = ('time', 'datetime', 'runner.trial.clock')
FREE = ('get_batch_size',)  # Functions that may ask for the workload's name.


class Finding(NamedTuple):
  """A line to read; findings sort by file and line."""

  file: str
  line: int
  text: str


def look(path: pathlib.Path) -> list[Finding]:
  """Return findings in the source of a submission, a file or a folder."""
  found = set()
  for name, file in folders.parts(path).items():
    if file.suffix != '.py':
      continue
    try:
      tree = parsed(file)
    except NOT_PYTHON as error:
      found.add(Finding(name, 0, f'This is not Python: {error}.'))
      continue
    found |= {Finding(name, line, text) for line, text in _said(tree)}
  return sorted(found)


def _said(tree: ast.Module) -> Iterator[tuple[int, str]]:
  known = folders.bound(tree)
  for line, full in known.values():
    yield from _meaning(full, line)
  for node in ast.walk(tree):
    match node:
      case ast.Attribute():
        yield from _meaning(folders.full_name(node, known), node.lineno)
      case ast.Call(func=ast.Name(id=name)) if name in CALLS:
        yield node.lineno, f'{name}() may mean {CALLS[name]}.'
      case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
        yield node.lineno, f'.{name}() may mean {METHODS[name]}.'
      case ast.Assign(targets=targets):
        for target in targets:
          yield from _patched(target, known)
  yield from _branches(tree)


def _meaning(full: str, line: int) -> Iterator[tuple[int, str]]:
  for name, meaning in NAMES.items():
    if full == name or full.startswith(f'{name}.'):
      yield line, f'{full} may mean {meaning}.'


def _patched(
  target: ast.expr, known: dict[str, tuple[int, str]]
) -> Iterator[tuple[int, str]]:
  """Yield findings for assignments to attributes of modules."""
  if not isinstance(target, ast.Attribute):
    return
  if full := folders.full_name(target, known):
    what = 'the clock' if full.startswith(TIMES) else 'a module'
    yield target.lineno, f'{full} = ... changes {what} for the whole process.'


def _branches(tree: ast.Module) -> Iterator[tuple[int, str]]:
  """Yield findings for names of workloads in strings."""
  known = workloads.names()
  names = {*known, *(name.replace('/', '_') for name in known)}
  free = {
    id(inner)
    for node in tree.body
    if isinstance(node, ast.FunctionDef) and node.name in FREE
    for inner in ast.walk(node)
  }
  for node in ast.walk(tree):
    if not isinstance(node, ast.Constant) or id(node) in free:
      continue
    if isinstance(node.value, str) and node.value in names:
      yield node.lineno, f'{node.value!r} is the name of a workload.'
