"""Builder of fastMRI's single-coil scans of knees, from HDF5 volumes.

Zbontar et al. 2018, "fastMRI: An Open Dataset and Benchmarks for Accelerated
MRI", arXiv:1811.08839. TFDS has no such dataset. A volume becomes one file
(volumes.py): an interrupted preparation continues with the missing volumes, but
reads an archive from its beginning. Every number is checked to find damaged
slices.
"""

import contextlib
import functools
import io
import lzma
import pathlib
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from workloads.data import folder, replacing
from workloads.data.catalogue import DATASETS
from workloads.data.manifest import DataError, lacking
from workloads.mri import kspace, volumes
from workloads.mri.volumes import PARTS, SIZE

HEIGHT = 640  # Measured rows of a slice.
PROGRESS = 60  # Seconds between two progress messages.
END = '.h5'


class FastMRI:
  """Builder of the dataset; see prepare.Builder."""

  name = 'fastmri'
  dataset = DATASETS[name]

  @classmethod
  def make(cls, data_dir, raw, tell):
    place = folder(cls.dataset, data_dir)
    if cls.holds(place):
      return
    if raw is None:
      names = ', '.join(file.name for file in cls.dataset.raw)
      raise cls.dataset.refusal(f'{names}, or their content')
    found = {part: published(pathlib.Path(raw), part) for part in PARTS}
    with replacing(place) as partial:
      partial.mkdir(parents=True, exist_ok=True)
      for part, path in found.items():
        _write(part, path, partial, tell)
      for split in cls.dataset.examples:
        volumes.Slices(partial, split)  # Raises if there are too few volumes.

  @classmethod
  def finish(cls, place, tell):
    tell('Hashing the files ...')
    return {
      split: len(volumes.Slices(place, split)) for split in cls.dataset.examples
    }

  @classmethod
  def holds(cls, place):
    return all(any(place.glob(f'{part}-*.npy')) for part in PARTS)


def published(raw: pathlib.Path, part: str) -> pathlib.Path:
  """Return the archive or folder with the volumes of a part.

  Raises:
    DataError: Neither exists.
  """
  name = f'knee_singlecoil_{part}'
  folders = name, f'singlecoil_{part}'  # AlgoPerf's name, and the unpacked one.
  archives = [f'{name}{end}' for end in ('.tar.xz', '.tar.gz', '.tar')]
  for known in (*folders, *archives):
    if (raw / known).exists():
      return raw / known
  raise DataError(
    f'{raw} has no {archives[0]}. The folder must contain '
    f'{" and ".join(PARTS)}, each as an archive ({" or ".join(archives)}) or '
    f'a folder of {END} files ({" or ".join(folders)}). Download both.'
  )


def slices(content: bytes, where: str, tell) -> np.ndarray:
  """Return all slices of a volume, in the format of volumes.row.

  Args:
    content: Bytes of fastMRI's HDF5 file.
    where: Name of the file, for messages.
    tell: Receives a note if the volume's largest value is missing.

  Raises:
    DataError: The file is damaged or has another format. The message names the
      slice.
  """
  try:
    import h5py  # noqa: PLC0415  Only the preparation needs it.
  except ImportError as error:
    raise lacking('scans', 'h5py') from error
  place = where
  try:
    with h5py.File(io.BytesIO(content)) as file:
      measured, targets = _arrays(file, where)
      rows = np.empty(len(measured), volumes.row(measured.shape[2]))
      rows['volume_max'] = _brightest(file, where, tell)
      for n in range(len(rows)):
        place = f'{where}, slice {n}'
        numbers = measured[n]
        rows['target'][n] = targets[n]
        _check(numbers, rows['target'][n], place)
        rows['measured'][n] = kspace.halfway(numbers, SIZE)
      return rows
  except DataError:
    raise
  except Exception as error:  # Damaged files raise many types.
    raise DataError(
      f'{place} cannot be read: {type(error).__name__} {error}. Get the '
      'published file again.'
    ) from error


def _write(part: str, path: pathlib.Path, partial: pathlib.Path, tell) -> None:
  """Write the missing volumes of a part, and remove all unknown files."""
  tell(f'Reading {path} ...')
  there = set(partial.glob(f'{part}-*.npy'))
  found, told = set(), time.monotonic()
  for name, where, read in _files(path):
    target = volumes.path(partial, part, name)
    if target not in there:
      volumes.save(target, slices(read(), where, tell))
    found.add(target)
    if time.monotonic() > told + PROGRESS:
      told = time.monotonic()
      tell(f'  {len(found)} of about {PARTS[part]} volumes')
  if not found:
    raise DataError(f'{path} has no volumes (*{END}). Get the published files.')
  for other in set(partial.glob(f'{part}-*')) - found:
    other.unlink()


def _files(
  path: pathlib.Path,
) -> Iterator[tuple[str, str, Callable[[], bytes]]]:
  """Yield name, path for messages, and a reader of every volume."""
  if path.is_dir():
    for volume in sorted(path.glob(f'*{END}')):
      yield volume.stem, str(volume), volume.read_bytes
    return
  with _damage_told(path), tarfile.open(path, 'r|*') as archive:
    for member in archive:
      name = pathlib.PurePosixPath(member.name)
      if member.isfile() and name.suffix == END:
        read = functools.partial(_member, path, archive, member)
        yield name.stem, f'{path}, {member.name}', read


def _member(
  path: pathlib.Path, archive: tarfile.TarFile, member: tarfile.TarInfo
) -> bytes:
  file: Any = archive.extractfile(member)
  with _damage_told(path):
    return file.read()


@contextlib.contextmanager
def _damage_told(path: pathlib.Path) -> Iterator[None]:
  """Convert errors of a damaged archive to DataError."""
  try:
    yield
  except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as e:
    raise DataError(
      f'{path} is damaged: {type(e).__name__} {e}. Get the archive again.'
    ) from e


def _arrays(file: Any, where: str) -> tuple[Any, Any]:
  """Return measurements [N, HEIGHT, W] and targets [N, SIZE, SIZE], unread."""
  for name in ('kspace', 'reconstruction_esc'):
    if name not in file:
      raise DataError(
        f'{where} has no {name}, but {", ".join(sorted(file))}. Get the '
        'published single-coil scans.'
      )
  measured, targets = file['kspace'], file['reconstruction_esc']
  count, _, width = (*measured.shape, 0, 0, 0)[:3]
  if not (
    count
    and measured.shape == (count, HEIGHT, max(width, SIZE))
    and targets.shape == (count, SIZE, SIZE)
    and (measured.dtype, targets.dtype) == ('complex64', 'float32')
  ):
    raise DataError(
      f'{where} has kspace {measured.shape} of {measured.dtype} and '
      f'reconstruction_esc {targets.shape} of {targets.dtype}. Needed are '
      f'(N, {HEIGHT}, {SIZE} or more) of complex64 and (N, {SIZE}, {SIZE}) of '
      'float32, with the same N. Get the published single-coil scans.'
    )
  return measured, targets


def _brightest(file: Any, where: str, tell) -> float:
  """Return the largest value stored for the volume, or 0 if it is missing."""
  if 'max' not in file.attrs:
    tell(f'Note: {where} has no largest value (max); 0 is used instead.')
    return 0.0
  found = float(file.attrs['max'])
  if not 0 <= found < float('inf'):
    raise DataError(
      f'{where} has {found} as its largest value (max), which must be finite '
      'and not negative. Get the published file again.'
    )
  return found


def _check(measured: np.ndarray, target: np.ndarray, where: str) -> None:
  if not (np.isfinite(measured).all() and np.isfinite(target).all()):
    raise DataError(
      f'{where} has numbers that are not finite. Get the published file again.'
    )
  if not measured.any():
    raise DataError(
      f'{where} has no measurements: its kspace is all zero. Get the published '
      'file again.'
    )
