"""Molecules in flat arrays, which lie beside the records of their dataset.

A file a split. All fit into memory: 9 bytes an atom, 7 a bond and 132 a
molecule are 197 MB for what trains of ogbg-molpcba.
"""

import pathlib
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from workloads.data.manifest import DataError

NODE_FEATURES, EDGE_FEATURES, TASKS = 9, 3, 128
UNKNOWN = -1  # A label that was not measured.
MOST = 2**16 - 1  # Atoms or bonds of a molecule.


class Molecules(NamedTuple):
  """Atoms and bonds of M molecules, one molecule after another."""

  atoms: np.ndarray  # [A, 9] uint8: features.
  bonds: np.ndarray  # [B, 3] uint8: features; each bond once.
  ends: np.ndarray  # [B, 2] uint16: numbers of its atoms within the molecule.
  n_atom: np.ndarray  # [M] uint16
  n_bond: np.ndarray  # [M] uint16
  labels: np.ndarray  # [M, 128] int8: 0, 1 or UNKNOWN.


def path(folder: pathlib.Path, split: str) -> pathlib.Path:
  return folder / f'molecules-{split}.npz'


def save(folder: pathlib.Path, split: str, molecules: Molecules) -> None:
  with path(folder, split).open('wb') as file:
    np.savez(file, **molecules._asdict())


def load(folder: pathlib.Path, split: str) -> Molecules:
  """The molecules of a split.

  Raises:
    DataError: its file is damaged.
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
