"""What in a submission's source looks like more than training.

Rules that no harness can enforce in one process are at least read: code that
looks for the clock, other data than what it is handed, the name of the workload
or work beside the clock is pointed at, by file and line. It may be innocent, so
these findings are to be read by somebody, and refuse nothing. The rules are
AlgoPerf's (https://github.com/mlcommons/algorithmic-efficiency), section
"Valid submissions".
"""

import ast
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import workloads
from submissions.algoperf import folders

# By the start of a full name: what using it may mean.
NAMES = {
  'threading': 'work beside the clock',
  'multiprocessing': 'work beside the clock',
  'concurrent': 'work beside the clock',
  'asyncio': 'work beside the clock',
  'subprocess': 'work beside the clock',
  'os.fork': 'work beside the clock',
  'os.system': 'work beside the clock',
  'signal': 'signals that the harness uses',
  'os.kill': 'signals that the harness uses',
  'ctypes': 'a way around Python',
  'gc': 'a look at other objects of the process',
  'inspect.stack': 'a look at the harness',
  'inspect.currentframe': 'a look at the harness',
  'sys._getframe': 'a look at the harness',
  'sys.modules': 'a look at the harness',
  'runner': 'a look at the harness',
  'scoring': 'a look at the harness',
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
METHODS = {  # Of whatever object.
  'source': 'other data than what it is handed',
  'examine': 'an evaluation of its own',
  'eval_model': 'an evaluation of its own',
  'load': 'files',
}
TIMES = ('time', 'datetime', 'runner.clock')
FREE = ('get_batch_size',)  # Functions that may ask for the workload's name.


class Finding(NamedTuple):
  """Somewhere to look; sorts by place."""

  file: str
  line: int
  text: str


def look(path: pathlib.Path) -> list[Finding]:
  """Findings in the source of a submission, a file or a folder."""
  found = set()
  for file in folders.files(path):
    if file.suffix == '.py':
      name = str(file.relative_to(path)) if path.is_dir() else file.name
      tree = ast.parse(file.read_bytes())
      found |= {Finding(name, line, text) for line, text in _said(tree)}
  return sorted(found)


def _said(tree: ast.Module) -> Iterator[tuple[int, str]]:
  known = dict(_bound(tree))
  for node in ast.walk(tree):
    match node:
      case ast.Import(names=names):
        for alias in names:
          yield from _meaning(alias.name, node.lineno)
      case ast.ImportFrom(module=str(module), level=0, names=names):
        for alias in names:
          yield from _meaning(f'{module}.{alias.name}', node.lineno)
      case ast.Attribute():
        yield from _meaning(_full(node, known), node.lineno)
      case ast.Call(func=ast.Name(id=name)) if name in CALLS:
        yield node.lineno, f'{name}() may mean {CALLS[name]}.'
      case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
        yield node.lineno, f'.{name}() may mean {METHODS[name]}.'
      case ast.Assign(targets=targets):
        for target in targets:
          yield from _patched(target, known)
  yield from _branches(tree)


def _bound(tree: ast.Module) -> Iterator[tuple[str, str]]:
  """Names that imports give, and the full names that they stand for."""
  for node in ast.walk(tree):
    match node:
      case ast.Import(names=names):
        for alias in names:
          first = alias.name.partition('.')[0]
          yield alias.asname or first, alias.name if alias.asname else first
      case ast.ImportFrom(module=str(module), level=0, names=names):
        for alias in names:
          yield alias.asname or alias.name, f'{module}.{alias.name}'


def _full(node: ast.Attribute, known: dict[str, str]) -> str:
  """The full name of what is fetched from a module; else nothing."""
  first, _, rest = ast.unparse(node).partition('.')
  return f'{known[first]}.{rest}' if first in known else ''


def _meaning(full: str, line: int) -> Iterator[tuple[int, str]]:
  for name, meaning in NAMES.items():
    if full == name or full.startswith(f'{name}.'):
      yield line, f'{full} may mean {meaning}.'


def _patched(target: ast.expr, known: dict[str, str]):
  """Assignments to attributes of modules."""
  if not isinstance(target, ast.Attribute):
    return
  full = _full(target, known)
  if full:
    what = 'the clock' if full.startswith(TIMES) else 'a module'
    yield target.lineno, f'{full} = ... changes {what} for everybody.'


def _branches(tree: ast.Module) -> Iterator[tuple[int, str]]:
  """Names of workloads in what is compared, or looked up."""
  names = {
    n for known in workloads.names() for n in (known, known.replace('/', '_'))
  }
  free = {
    id(inner)
    for node in tree.body
    if isinstance(node, ast.FunctionDef) and node.name in FREE
    for inner in ast.walk(node)
  }
  for node in ast.walk(tree):
    if isinstance(node, ast.Constant) and id(node) not in free:
      if isinstance(node.value, str) and node.value in names:
        yield node.lineno, f'{node.value!r} is the name of a workload.'
