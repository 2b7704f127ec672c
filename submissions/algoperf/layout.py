"""Layouts of AlgoPerf submissions: their root, main file and name.

Upstream has two layouts: `<name>/submission.py`, and `<name>/jax/submission.py`
with the search space and the files shared by frameworks one level up.
"""

import pathlib
from typing import NamedTuple

from submissions.algoperf import own

JAX = 'jax'  # Upstream names the folder of each framework after it.
MAIN = 'submission.py'
SPACE = 'tuning_search_space.json'


class Layout(NamedTuple):
  """Root and main file of a submission."""

  root: pathlib.Path  # The highest folder with a file of the submission.
  main: pathlib.Path  # The file with the functions that AlgoPerf calls.

  @property
  def folder(self) -> pathlib.Path:
    """The folder of the main file."""
    return self.main.parent


def layout(path: pathlib.Path) -> Layout:
  """Return the layout of the submission in a folder, or of a single file."""
  file = main(path)
  if not path.is_dir():
    return Layout(path.parent, file)
  if file.parent != path:
    return Layout(path, file)
  here = path.resolve()
  up = own.levels(here)
  if not up and here.name == JAX and above(here).is_file():
    up = 0 if (here / SPACE).is_file() else 1
  if up and _is_only(here.parents[up - 1], here):
    return Layout(here.parents[up - 1], here / MAIN)
  return Layout(path, file)


def _is_only(root: pathlib.Path, folder: pathlib.Path) -> bool:
  """Return whether `folder` holds the only submission that would be copied."""
  python = [one for one in own.visible(folder) if one.suffix == '.py']
  found = own.reached(root, python)
  return [one.parent for one in found if one.name == MAIN] == [folder]


def main(path: pathlib.Path) -> pathlib.Path:
  """Return the path of the main file; the expected path if there is none.

  A folder's main file is `submission.py`, or `jax/submission.py`, or the only
  `submission.py` one or two levels below.
  """
  if not path.is_dir():
    return path
  for found in (path / MAIN, path / JAX / MAIN):
    if found.is_file():
      return found
  below = [*path.glob(f'*/{MAIN}'), *path.glob(f'*/*/{MAIN}')]
  return below[0] if len(below) == 1 else path / MAIN


def several(path: pathlib.Path) -> list[pathlib.Path]:
  """List the folders with submissions below a folder without a main file."""
  if main(path).is_file():
    return []
  found = [*path.glob(f'*/{MAIN}'), *path.glob(f'*/*/{MAIN}')]
  return sorted(file.parent for file in found)


def whole(path: pathlib.Path) -> pathlib.Path:
  """Return the folder of a `submission.py`, or of a folder's main file."""
  if path.name == MAIN:
    return path.parent
  file = main(path)
  return file.parent if path.is_dir() and file.is_file() else path


def name(path: pathlib.Path) -> str:
  """Return the folder's name; for a folder `jax`, its parent folder's name."""
  if not path.is_dir():
    return path.stem
  found = path.resolve()
  return found.parent.name or JAX if found.name == JAX else found.name


def above(folder: pathlib.Path) -> pathlib.Path:
  """Return the path of a search space one level up."""
  return folder.parent / SPACE
