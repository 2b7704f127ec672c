"""Facts of an AlgoPerf submission's folder, read without running its code."""

import ast
import hashlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from submissions import packages
from submissions.algoperf import asked, own
from submissions.algoperf.layout import JAX, MAIN, SPACE, above, layout, main
from submissions.literals import NOT_PYTHON, parsed

REQUIRED = (
  'data_selection',
  'get_batch_size',
  'init_optimizer_state',
  'update_params',
)
FRAMEWORKS = ('torch', 'torchvision', 'tensorflow')  # Frameworks beside JAX.
PMAP = ('jax.pmap', 'pmap', 'jax_utils.replicate')  # Names only v0.5 code uses.


def is_one(path: pathlib.Path) -> bool:
  """Return whether a path is a folder or a file with AlgoPerf's functions."""
  if path.is_dir():
    return True
  try:
    known = _functions(parsed(path))
  except (*NOT_PYTHON, OSError):
    return False
  return bool({'init_optimizer_state', 'update_params'} & known)


def fault(path: pathlib.Path) -> str:
  """Return why a submission cannot run here; '' if it can.

  Raises:
    SyntaxError: the main file is not Python.
  """
  tree = parsed(main(path))
  for line, name in packages.wanted(tree):
    if name.partition('.')[0] in FRAMEWORKS:
      return (
        f'line {line} imports {name}. Only submissions for JAX run here: enter '
        'its JAX version, if there is one.'
      )
  if lacking := sorted(set(REQUIRED) - _functions(tree)):
    return f'it has no {", ".join(lacking)}, which AlgoPerf calls. Add them.'
  return ''


def space(path: pathlib.Path) -> dict[str, Any] | list[dict[str, Any]] | None:
  """Return the search space in AlgoPerf's JSON form; None if there is none.

  The file of the search space lies beside the main file. It may lie one level
  up if the main file reads hyperparameters, or lies in a folder called `jax`.

  Raises:
    ValueError: the file is not JSON, or null.
  """
  found = space_file(path)
  if found is None:
    return None
  try:
    space = json.loads(found.read_text(encoding='utf-8'))
  except (ValueError, RecursionError) as error:
    raise ValueError(f'{found.name} is not JSON ({error})') from error
  if space is None:  # The caller reads None as a missing file.
    raise ValueError(f'{found.name} is null; write a space, or remove it')
  return space


def space_file(path: pathlib.Path) -> pathlib.Path | None:
  """Return the path of the search space; None if there is none."""
  file = main(path)
  folder = file.resolve().parent
  beside, other = folder / SPACE, above(folder)
  in_folder = path.is_dir() or path.name == MAIN
  if beside.is_file() and (in_folder or asked.names(file)):
    return beside
  if in_folder and other.is_file():
    return other if folder.name == JAX or asked.names(file) else None
  return None


def generation(path: pathlib.Path) -> str:
  """Return 'v0.5' if the main file uses `jax.pmap`, else 'v0.6'."""
  tree = parsed(main(path))
  named = {
    ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.expr)
  }
  return 'v0.5' if named & set(PMAP) else 'v0.6'


def files(path: pathlib.Path) -> list[pathlib.Path]:
  """List all files of a submission."""
  return list(parts(path).values())


def parts(path: pathlib.Path) -> dict[str, pathlib.Path]:
  """Return the files that are copied and hashed, by their paths in the copy.

  Includes all files of the folder except hidden and compiled ones, the files
  that they import from elsewhere below the root, and the search space. A file
  without own imports is alone.
  """
  root, file = layout(path)
  if not path.is_dir():
    found = own.reached(root, [file]) if is_one(path) else [file]
    if len(found) > 1:  # The copy is a folder, so its main file is renamed.
      return _sorted(
        {
          MAIN if one == file else one.relative_to(root).as_posix(): one
          for one in found
        }
      )
    return {file.name: file}
  inside = own.visible(file.parent)
  if root == file.parent:
    return _sorted({one.relative_to(root).as_posix(): one for one in inside})
  python = [one for one in inside if one.suffix == '.py']
  beside = [*own.reached(root, python), *_spaces(root, file.parent)]
  return _sorted(
    {one.relative_to(root).as_posix(): one for one in [*inside, *beside]}
  )


def _spaces(root: pathlib.Path, folder: pathlib.Path) -> list[pathlib.Path]:
  """List the search space above the folder, if it lies within the root."""
  file = above(folder)
  within = root in (file.parent, *file.parent.parents)
  return [file] if within and file.is_file() else []


def _sorted(found: dict[str, pathlib.Path]) -> dict[str, pathlib.Path]:
  return {place: found[place] for place in sorted(found, key=pathlib.PurePath)}


def is_alone(path: pathlib.Path) -> bool:
  """Return whether a submission is one file without own imports."""
  return not path.is_dir() and len(parts(path)) == 1


def sha256(path: pathlib.Path) -> str:
  """SHA-256 of a file's content, or of all files' paths and contents."""
  found = parts(path)
  if not path.is_dir() and len(found) == 1:
    return hashlib.sha256(path.read_bytes()).hexdigest()
  total = hashlib.sha256()
  for place, file in found.items():
    total.update(f'{place}\n'.encode())
    total.update(hashlib.sha256(file.read_bytes()).digest())
  return total.hexdigest()


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
  """Yield line and full name of every module that is imported absolutely."""
  for node in ast.walk(tree):
    match node:
      case ast.Import(names=names):
        yield from ((node.lineno, alias.name) for alias in names)
      case ast.ImportFrom(module=str(module), level=0):
        yield node.lineno, module


def bound(tree: ast.AST) -> dict[str, tuple[int, str]]:
  """Return (line, full name of the target) for every name an import binds."""
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
  """Return the full name of an imported module's attribute, or ''."""
  first, _, rest = ast.unparse(node).partition('.')
  if first not in known or not rest.replace('.', '').isidentifier():
    return ''
  return f'{known[first][1]}.{rest}'


def _functions(tree: ast.Module) -> set[str]:
  """Names at the top level of a file: defined, assigned or imported."""
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
