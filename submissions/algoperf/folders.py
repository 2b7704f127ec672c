"""Reads an AlgoPerf submission's folder without running anything of it."""

import ast
import hashlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from submissions.literals import NOT_PYTHON, parsed

MAIN = 'submission.py'
SPACE = 'tuning_search_space.json'
REQUIRED = (
  'data_selection',
  'get_batch_size',
  'init_optimizer_state',
  'update_params',
)
FRAMEWORKS = ('torch', 'torchvision', 'tensorflow')  # Not JAX's.
PMAP = ('jax.pmap', 'pmap', 'jax_utils.replicate')  # Of the generation of v0.5.


def is_one(path: pathlib.Path) -> bool:
  """Whether it is a folder, or a file with functions that AlgoPerf calls."""
  if path.is_dir():
    return True
  try:
    known = _functions(parsed(path))
  except (*NOT_PYTHON, OSError):
    return False
  return bool({'init_optimizer_state', 'update_params'} & known)


def main(path: pathlib.Path) -> pathlib.Path:
  """The file with the functions."""
  return path / MAIN if path.is_dir() else path


def whole(path: pathlib.Path) -> pathlib.Path:
  """The folder, where `submission.py` was named; other files stand alone."""
  return path.parent if path.name == MAIN else path


def fault(path: pathlib.Path) -> str:
  """Why it cannot run here; nothing if it can.

  Raises:
    SyntaxError: it is not Python.
  """
  tree = parsed(main(path))
  for line, name in imported(tree):
    if name.partition('.')[0] in FRAMEWORKS:
      return (
        f'line {line} imports {name}. Only submissions for JAX run here, and '
        'this is not one of them.'
      )
  if lacking := sorted(set(REQUIRED) - _functions(tree)):
    return f'it has no {", ".join(lacking)}, which AlgoPerf calls.'
  return ''


def space(path: pathlib.Path) -> dict[str, Any] | list[dict[str, Any]] | None:
  """The search space beside the file, in AlgoPerf's JSON form, if there is one.

  Raises:
    ValueError: it is not JSON, or null.
  """
  found = main(path).with_name(SPACE)
  if not found.is_file() or not (path.is_dir() or path.name == MAIN):
    return None
  try:
    space = json.loads(found.read_text(encoding='utf-8'))
  except (ValueError, RecursionError) as error:
    raise ValueError(f'{found.name} is not JSON ({error})') from error
  if space is None:  # Which would be as if there were no file.
    raise ValueError(f'{found.name} is null; write a space, or remove it')
  return space


def generation(path: pathlib.Path) -> str:
  """'v0.5', where every device has a copy, or 'v0.6'."""
  tree = parsed(main(path))
  named = {
    ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.expr)
  }
  return 'v0.5' if named & set(PMAP) else 'v0.6'


def files(path: pathlib.Path) -> list[pathlib.Path]:
  """What is copied and hashed: all but what is hidden or compiled."""
  if not path.is_dir():
    return [path]
  return sorted(
    found
    for found in path.rglob('*')
    if found.is_file()
    and not any(
      part.startswith('.') or part == '__pycache__'
      for part in found.relative_to(path).parts
    )
  )


def sha256(path: pathlib.Path) -> str:
  """Of a file's content; of the names and contents of all in a folder."""
  if not path.is_dir():
    return hashlib.sha256(path.read_bytes()).hexdigest()
  total = hashlib.sha256()
  for found in files(path):
    total.update(f'{found.relative_to(path).as_posix()}\n'.encode())
    total.update(hashlib.sha256(found.read_bytes()).digest())
  return total.hexdigest()


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
  """Line and full name of every module that is imported by its full name."""
  for node in ast.walk(tree):
    match node:
      case ast.Import(names=names):
        yield from ((node.lineno, alias.name) for alias in names)
      case ast.ImportFrom(module=str(module), level=0):
        yield node.lineno, module


def bound(tree: ast.AST) -> dict[str, tuple[int, str]]:
  """Names that imports give: the line, and the full name of what it is."""
  found = {}
  for node in ast.walk(tree):
    match node:
      case ast.Import(names=names):
        for alias in names:
          full = alias.name if alias.asname else alias.name.partition('.')[0]
          found[alias.asname or full] = node.lineno, full
      case ast.ImportFrom(module=str(module), level=0, names=names):
        for alias in names:
          full = f'{module}.{alias.name}'
          found[alias.asname or alias.name] = node.lineno, full
  return found


def full_name(node: ast.Attribute, known: dict[str, tuple[int, str]]) -> str:
  """Of what is fetched from an imported module; nothing for other things."""
  first, _, rest = ast.unparse(node).partition('.')
  if first not in known or not rest.replace('.', '').isidentifier():
    return ''
  return f'{known[first][1]}.{rest}'


def _functions(tree: ast.Module) -> set[str]:
  """Names at the top of a file that are defined, assigned or imported."""
  found = set()
  for node in tree.body:
    match node:
      case ast.FunctionDef(name=name):
        found.add(name)
      case ast.Assign(targets=[ast.Name(id=name)]):
        found.add(name)
      case ast.ImportFrom(names=names):
        found |= {alias.asname or alias.name for alias in names}
  return found
