"""Builder of fastMRI's single-coil scans of knees, from HDF5 volumes.

Zbontar et al. 2018, "fastMRI: An Open Dataset and Benchmarks for Accelerated
MRI", arXiv:1811.08839. TFDS does not have them. A volume becomes one file
(volumes.py), so that a preparation that was interrupted goes on with those that
are not there yet; an archive is unpacked from its beginning all the same. Every
number is looked at, so that no slice that is damaged gets in.
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

HEIGHT = 640  # Rows of all that was measured.
PROGRESS = 60  # Seconds from one message to the next.
END = '.h5'


class FastMRI:
  """As prepare.Builder."""

  name = 'fastmri'
  dataset = DATASETS[name]

  @classmethod
  def make(cls, data_dir, raw, tell):
    place = folder(cls.dataset, data_dir)
    if cls.holds(place):
      return
    if raw is None:
      names = ', '.join(file.name for file in cls.dataset.raw)
      raise cls.dataset.refusal(f'{names}, or what is in them')
    found = {part: published(pathlib.Path(raw), part) for part in PARTS}
    with replacing(place) as partial:
      partial.mkdir(parents=True, exist_ok=True)
      for part, path in found.items():
        _write(part, path, partial, tell)
      for split in cls.dataset.examples:
        volumes.Slices(partial, split)  # Or there are too few.

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
  """Where the volumes of a part are: an archive, or a folder.

  Raises:
    DataError: they are not there.
  """
  name = f'knee_singlecoil_{part}'
  folders = name, f'singlecoil_{part}'  # As AlgoPerf has it, and as unpacked.
  archives = [f'{name}{end}' for end in ('.tar.xz', '.tar.gz', '.tar')]
  for known in (*folders, *archives):
    if (raw / known).exists():
      return raw / known
  raise DataError(
    f'{raw} has no {archives[0]}. It must have {" and ".join(PARTS)}, each as '
    f'it is published ({" or ".join(archives)}), or as a folder of {END} files '
    f'({" or ".join(folders)}).'
  )


def slices(content: bytes, where: str, tell) -> np.ndarray:
  """All slices of a volume, as volumes.row.

  Args:
    content: Of an HDF5 file as fastMRI has it.
    where: Its name, for messages.
    tell: Hears if it lacks its brightest value.

  Raises:
    DataError: it is damaged, or no such file; names the slice.
  """
  try:
    import h5py  # noqa: PLC0415  Training does without.
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
  except Exception as error:  # Whatever a damaged file makes of it.
    raise DataError(
      f'{place} cannot be read: {type(error).__name__} {error}.'
    ) from error


def _write(part: str, path: pathlib.Path, partial: pathlib.Path, tell) -> None:
  """Writes the volumes of a part that are not there, and leaves no others."""
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
    raise DataError(f'{path} has no volumes (*{END}).')
  for other in set(partial.glob(f'{part}-*')) - found:
    other.unlink()


def _files(
  path: pathlib.Path,
) -> Iterator[tuple[str, str, Callable[[], bytes]]]:
  """Name, place for messages, and content of every volume."""
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
  """DataError where an archive turns out to be damaged."""
  try:
    yield
  except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as e:
    raise DataError(f'{path} is damaged: {type(e).__name__} {e}.') from e


def _arrays(file: Any, where: str) -> tuple[Any, Any]:
  """Measurements [N, HEIGHT, W] and targets [N, SIZE, SIZE], not read yet."""
  for name in ('kspace', 'reconstruction_esc'):
    if name not in file:
      raise DataError(f'{where} has no {name}, but {", ".join(sorted(file))}.')
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
      f'reconstruction_esc {targets.shape} of {targets.dtype}. They must be '
      f'(N, {HEIGHT}, {SIZE} or more) of complex64 and (N, {SIZE}, {SIZE}) of '
      'float32, with as many slices N.'
    )
  return measured, targets


def _brightest(file: Any, where: str, tell) -> float:
  """Of the whole volume, as it says itself; zero where it does not."""
  if 'max' not in file.attrs:
    tell(f'Note: {where} does not say its brightest value (max); taken is 0.')
    return 0.0
  found = float(file.attrs['max'])
  if not 0 <= found < float('inf'):
    raise DataError(f'{where} has {found} as its brightest value (max).')
  return found


def _check(measured: np.ndarray, target: np.ndarray, where: str) -> None:
  if not (np.isfinite(measured).all() and np.isfinite(target).all()):
    raise DataError(f'{where} has numbers that are not finite.')
  if not measured.any():
    raise DataError(f'{where} has measured nothing: all of its kspace is zero.')
