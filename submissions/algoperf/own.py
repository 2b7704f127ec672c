"""Own files that a submission imports, even by the names of former places.

A folder that was moved or renamed still imports its files by their old names:
`algorithms.theirs.jax.schedule` means schedule.py or jax/schedule.py in the
submission's folder, whichever exists. Installed packages have other names.
"""

import ast
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from submissions.literals import NOT_PYTHON, parsed

# Packages that are never own files, even if a folder has such a name.
OTHERS = (
  'jax', 'jaxlib', 'flax', 'optax', 'chex', 'numpy', 'scipy', 'algoperf',
  'algorithmic_efficiency',
)  # fmt: skip

Parts = tuple[str, ...]


class Import(NamedTuple):
  """An import of a file of the submission's own."""

  line: int
  module: str  # Module as written; empty for a relative import.
  name: Parts  # Module and imported name as written; empty if relative.
  own: Parts  # Parts of the module's path within the root.


def statements(tree: ast.AST) -> Iterator[tuple[int, int, Parts, list[str]]]:
  """Yield line, dots, module and names of every import; names need `from`."""
  for node in ast.walk(tree):
    match node:
      case ast.Import(names=names):
        for alias in names:
          yield node.lineno, 0, tuple(alias.name.split('.')), []
      case ast.ImportFrom(module=module, level=level, names=names):
        parts = tuple(module.split('.')) if module else ()
        yield node.lineno, level, parts, [alias.name for alias in names]


def imports(root: pathlib.Path, file: pathlib.Path) -> list[Import]:
  """List a file's imports of own files; empty if the file is not Python."""
  try:
    tree = parsed(file)
  except NOT_PYTHON:
    return []
  package = file.relative_to(root).parts[:-1]
  itself = (*package, file.stem)
  found = []
  for line, dots, module, names in statements(tree):
    if dots:
      above = package[: len(package) + 1 - dots]
      if dots - 1 > len(package):
        continue
      wanted = [(*above, *module), *((*above, *module, n) for n in names)]
      there = [own for own in wanted if is_there(root, own)]
      found += [Import(line, '', (), own) for own in there]
    elif module[0] not in OTHERS:
      written = '.'.join(module)
      some = [(full, _end(root, full)) for full in _ends(module, names)]
      found += [Import(line, written, full, own) for full, own in some if own]
  # A file that imports its own name means another submission's file.
  return [one for one in found if one.own != itself]


def absent(root: pathlib.Path, file: pathlib.Path) -> Iterator[tuple[int, str]]:
  """Yield line and name, with dots, of relative imports of missing files."""
  package = file.relative_to(root).parts[:-1]
  for line, dots, module, names in statements(parsed(file)):
    if not dots:
      continue
    base = (*package[: len(package) + 1 - dots], *module)
    inner = [(*base, name) for name in names]
    path = root.joinpath(*base)
    inside = (
      (bool(base) and path.with_suffix('.py').is_file())
      or (path / '__init__.py').is_file()
      or all(is_there(root, one) for one in inner)
    )
    if dots - 1 > len(package) or not inside:
      yield line, '.' * dots + '.'.join(module or names)


def _end(root: pathlib.Path, full: Parts) -> Parts:
  """Return the longest end of a name that is a module below the root."""
  for start in range(len(full)):
    if is_there(root, full[start:]):
      return full[start:]
  return ()


def is_there(root: pathlib.Path, own: Parts) -> bool:
  """Return whether a name is a module or a folder of modules below a root."""
  path = root.joinpath(*own)
  if not own or not all(part.isidentifier() for part in own):
    return False
  return path.with_suffix('.py').is_file() or any(path.glob('*.py'))


def reached(
  root: pathlib.Path, files: list[pathlib.Path]
) -> list[pathlib.Path]:
  """List the files and all that they import below the root, also indirectly."""
  found: list[pathlib.Path] = []
  wanted = list(files)
  while wanted:
    file = wanted.pop()
    if file in found:
      continue
    found.append(file)
    for one in imports(root, file):
      wanted += _files(root, one.own)
  return sorted(found)


def _files(root: pathlib.Path, own: Parts) -> list[pathlib.Path]:
  """List the files that run when a module is imported."""
  packages = [
    root.joinpath(*own[:n], '__init__.py') for n in range(len(own) + 1)
  ]
  module = root.joinpath(*own).with_suffix('.py')
  return [file for file in [*packages, module] if file.is_file()]


def visible(folder: pathlib.Path) -> list[pathlib.Path]:
  """List all files below a folder, except hidden and compiled ones."""
  found = []
  for path, folders, names in os.walk(folder):
    folders[:] = [name for name in folders if not _is_hidden(name)]
    here = pathlib.Path(path)
    found += [here / name for name in names if not _is_hidden(name)]
  return sorted(file for file in found if file.is_file())


def _is_hidden(name: str) -> bool:
  return name.startswith('.') or name == '__pycache__'


def levels(folder: pathlib.Path) -> int:
  """Count how many folders up the imports of a folder's files reach."""
  found = 0
  for file in visible(folder):
    if file.suffix != '.py':
      continue
    try:
      tree = parsed(file)
    except NOT_PYTHON:
      continue
    depth = len(file.relative_to(folder).parts) - 1
    for _, dots, module, names in statements(tree):
      up = dots - 1 - depth
      if dots and up > found and _leads(folder, up, module, names):
        found = up
      if not dots and module[0] not in OTHERS:
        found = max(found, _named_above(folder, module, names))
  return found


def _leads(folder, up: int, module: Parts, names: list[str]) -> bool:
  """Return whether an import finds a module `up` folders above."""
  if up > len(folder.parents):
    return False
  above = folder.parents[up - 1]
  return any(is_there(above, end) for end in _ends(module, names))


def _ends(module: Parts, names: list[str]) -> list[Parts]:
  """List the modules that an import may mean: `module`, and modules in it."""
  return [module, *((*module, name) for name in names)]


def _named_above(folder, module: Parts, names: list[str]) -> int:
  """Return 1 if a name contains the parent folder and leads to it, else 0."""
  if any(_end(folder, end) for end in _ends(module, names)):
    return 0
  name = folder.parent.name
  rest = module[module.index(name) + 1 :] if name in module else ()
  return int(name in module and _leads(folder, 1, rest, names))
