"""Files with molecules in flat arrays, next to the records of their dataset.

Every split has one file, which fits into memory: 9 bytes per atom, 7 per bond
and 132 per molecule are 197 MB for ogbg-molpcba's training split.
"""

import pathlib
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from workloads.data.manifest import DataError

NODE_FEATURES, EDGE_FEATURES, TASKS = 9, 3, 128
UNKNOWN = -1  # A label that was not measured.
MOST = 2**16 - 1  # Maximum atoms or bonds of a molecule.


class Molecules(NamedTuple):
  """Atoms and bonds of M molecules, one molecule after another."""

  atoms: np.ndarray  # [A, 9] uint8: features.
  bonds: np.ndarray  # [B, 3] uint8: features; each bond once.
  ends: np.ndarray  # [B, 2] uint16: atom numbers within the molecule.
  n_atom: np.ndarray  # [M] uint16
  n_bond: np.ndarray  # [M] uint16
  labels: np.ndarray  # [M, 128] int8: 0, 1 or UNKNOWN.


def path(folder: pathlib.Path, split: str) -> pathlib.Path:
  """Return the path of a split's molecules."""
  return folder / f'molecules-{split}.npz'


def save(folder: pathlib.Path, split: str, molecules: Molecules) -> None:
  """Write the molecules of a split.

  Args:
    folder: Folder of the dataset.
    split: Name of the split.
    molecules: All molecules of the split.
  """
  with path(folder, split).open('wb') as file:
    np.savez(file, **molecules._asdict())


def load(folder: pathlib.Path, split: str) -> Molecules:
  """Return the molecules of a split.

  Raises:
    DataError: The file is damaged.
  """
  file = path(folder, split)
  try:
    with np.load(file, allow_pickle=False) as found:
      return Molecules(**{name: found[name] for name in Molecules._fields})
  except (
    OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile, zlib.error
  ) as error:  # fmt: skip
    raise DataError(
      f'{file} cannot be read: {type(error).__name__} {error}. Prepare '
      f'{folder} again.'
    ) from error
