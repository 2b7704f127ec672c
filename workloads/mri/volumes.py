"""How the scans of fastMRI lie on disk: one file of slices a volume.

The files are numpy's own (.npy), of rows of a fixed width, so that any slice
can be read by its number. A slice is kept as `kspace.halfway` makes it: which
columns are used is decided when it is drawn, and what was transformed before
that is the same up to rounding, by some 1e-6 of an image's contrast. It takes
1.4 MB, and would take 2.3 as it was measured.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from workloads.data.manifest import DataError

SIZE = 320  # Height and width of an image.
PARTS = {'train': 973, 'val': 199}  # Volumes, as they are published.
VALIDATION = 100  # The first of 'val' in the order of their names; others test.


class Volume(NamedTuple):
  """Where the slices of a file are."""

  path: pathlib.Path
  slices: int
  row: np.dtype
  start: int  # Of the first one, in bytes.


def row(width: int) -> np.dtype:
  """Of a slice that was measured in so many columns."""
  return np.dtype(
    [
      ('measured', '<c8', (SIZE, width)),  # As kspace.halfway.
      ('target', '<f4', (SIZE, SIZE)),
      ('volume_max', '<f4'),  # The brightest value of the whole volume.
    ]
  )


def path(folder: pathlib.Path, part: str, name: str) -> pathlib.Path:
  return folder / f'{part}-{name}.npy'


def save(target: pathlib.Path, rows: np.ndarray) -> None:
  """Writes a volume, and gives it its name when it is whole."""
  partial = target.with_name(f'{target.name}.partial')
  with partial.open('wb') as file:
    np.save(file, rows)
    file.flush()
    os.fsync(file.fileno())
  partial.replace(target)


class Slices:
  """Of one split, in the order of their volumes' names; as stored.Records."""

  def __init__(self, folder: pathlib.Path, split: str):
    """
    Args:
      folder: Of the dataset, with its version.
      split: 'train', 'validation' or 'test'.

    Raises:
      DataError: there are none, or a file is damaged.
    """
    # None stays open: a process may have fewer files than there are volumes.
    self._volumes = [_volume(file) for file in _paths(folder, split)]
    if not self._volumes:
      raise DataError(
        f'{folder} has no volumes of {split}. Prepare it again, of all that '
        'are published.'
      )
    self._ends = np.cumsum([volume.slices for volume in self._volumes])

  def __len__(self) -> int:
    return int(self._ends[-1])

  def __getitem__(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [self._read(number) for number in numbers]

  def where(self, number: int) -> str:
    """File and slice in it, for messages."""
    volume, n = self._find(number)
    return f'{volume.path.name}, slice {n}'

  def _read(self, number: int) -> dict[str, Any]:
    found: Any
    volume, n = self._find(number)
    offset = volume.start + n * volume.row.itemsize
    try:
      [found] = np.fromfile(volume.path, volume.row, 1, offset=offset)
    except (OSError, ValueError) as error:
      raise DataError(
        f'{self.where(number)} cannot be read: {type(error).__name__} {error}.'
      ) from error
    return {name: found[name] for name in found.dtype.names}

  def _find(self, number: int) -> tuple[Volume, int]:
    """Its volume, and its number in it."""
    place = int(np.searchsorted(self._ends, number, side='right'))
    volume = self._volumes[place]
    return volume, int(number - self._ends[place] + volume.slices)


def _paths(folder: pathlib.Path, split: str) -> list[pathlib.Path]:
  """Of its volumes; where some are missing, the published share validates."""
  if split == 'train':
    return sorted(folder.glob('train-*.npy'))
  found = sorted(folder.glob('val-*.npy'))
  cut = len(found) * VALIDATION // PARTS['val']
  return found[:cut] if split == 'validation' else found[cut:]


def _volume(path: pathlib.Path) -> Volume:
  try:
    mapped = np.load(path, mmap_mode='r', allow_pickle=False)
    if mapped.dtype != row(mapped.dtype['measured'].shape[1]):
      raise ValueError(f'it has {mapped.dtype}')
    return Volume(path, len(mapped), mapped.dtype, mapped.offset)
  except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
    raise DataError(
      f'{path} is damaged: {type(error).__name__} {error}. Prepare '
      f'{path.parent} again.'
    ) from error
