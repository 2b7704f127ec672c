"""File format of fastMRI's scans: one file of slices per volume.

The files are numpy's (.npy), with rows of a fixed width: a slice can be read by
its number. A slice is stored as `kspace.halfway` returns it, and reading
chooses the columns. The transform before storing changes an image by rounding
only, about 1e-6 of its contrast. A stored slice has 1.4 MB instead of 2.3 MB.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from workloads.data.manifest import DataError

SIZE = 320  # Height and width of an image.
PARTS = {'train': 973, 'val': 199}  # Published number of volumes.
VALIDATION = 100  # First volumes of 'val', sorted by name; the others test.


class Volume(NamedTuple):
  """Location of the slices in a file."""

  path: pathlib.Path
  slices: int
  row: np.dtype
  start: int  # Position of the first slice, in bytes.


def row(width: int) -> np.dtype:
  """Return the dtype of a slice with `width` measured columns."""
  return np.dtype(
    [
      ('measured', '<c8', (SIZE, width)),  # Result of kspace.halfway.
      ('target', '<f4', (SIZE, SIZE)),
      ('volume_max', '<f4'),  # Largest value of the whole volume.
    ]
  )


def path(folder: pathlib.Path, part: str, name: str) -> pathlib.Path:
  """Return the path of a volume.

  Args:
    folder: Folder of the dataset.
    part: A key of PARTS.
    name: Name of the volume.
  """
  return folder / f'{part}-{name}.npy'


def save(target: pathlib.Path, rows: np.ndarray) -> None:
  """Write a volume to target.partial, and rename the complete file."""
  partial = target.with_name(f'{target.name}.partial')
  with partial.open('wb') as file:
    np.save(file, rows)
    file.flush()
    os.fsync(file.fileno())
  partial.replace(target)


class Slices:
  """Slices of one split, sorted by volume name; see streams.Records."""

  def __init__(self, folder: pathlib.Path, split: str):
    """Open the volumes of one split.

    Args:
      folder: Folder of the dataset's version.
      split: 'train', 'validation' or 'test'.

    Raises:
      DataError: There are no volumes, or a file is damaged.
    """
    # No file stays open: a process may open fewer files than there are volumes.
    self._volumes = [_volume(file) for file in _paths(folder, split)]
    if not self._volumes:
      raise DataError(
        f'{folder} has no volumes of {split}. Prepare the folder again, from '
        'all published volumes.'
      )
    self._ends = np.cumsum([volume.slices for volume in self._volumes])

  def __len__(self) -> int:
    return int(self._ends[-1])

  def __getitem__(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [self._read(number) for number in numbers]

  def where(self, number: int) -> str:
    """Return the file and number of a slice, for messages."""
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
        f'{self.where(number)} cannot be read: {type(error).__name__} {error}. '
        'Prepare the dataset again.'
      ) from error
    return {name: found[name] for name in found.dtype.names}

  def _find(self, number: int) -> tuple[Volume, int]:
    """Return the volume of a slice, and the slice's number in this volume."""
    place = int(np.searchsorted(self._ends, number, side='right'))
    volume = self._volumes[place]
    return volume, int(number - self._ends[place] + volume.slices)


def _paths(folder: pathlib.Path, split: str) -> list[pathlib.Path]:
  """Return the files of a split.

  The published share of 'val' validates, even if volumes are missing.
  """
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
