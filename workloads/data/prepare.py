"""Makes prepared datasets: from published files, or from somebody's TFDS."""

import pathlib
import shutil
from collections.abc import Callable

import tensorflow_datasets as tfds

from workloads.data import Dataset, folder, images, manifest, tfrecord
from workloads.data.builders import BUILDERS
from workloads.data.manifest import DataError

Tell = Callable[[str], None]


def prepare(
  dataset: Dataset, data_dir: str, raw: str | None, tell: Tell
) -> pathlib.Path:
  """Prepares a dataset, or goes on with it; its folder.

  Args:
    dataset: Which one.
    data_dir: Folder of all datasets.
    raw: Folder of its published files; None to download them.
    tell: Hears what is done.

  Raises:
    DataError: published files are missing or damaged.
  """
  place = folder(dataset, data_dir)
  if (place / manifest.NAME).exists():
    manifest.check(place, manifest.load(place), thorough=True)
    tell(f'{place} is there already, to the byte.')
    return place
  builder = BUILDERS[dataset.name](
    data_dir=data_dir, file_format='array_record'
  )
  builder.raw = pathlib.Path(raw) if raw else None
  tell(f'Preparing {dataset.name} {dataset.version} in {place} ...')
  try:
    builder.download_and_prepare()
  except Exception as error:
    raise _ours(error) or DataError(
      f'{dataset.name} could not be prepared: {type(error).__name__} {error}'
    ) from error
  return finish(dataset, place, tell)


def take(
  dataset: Dataset, data_dir: str, source: str, tell: Tell
) -> pathlib.Path:
  """Takes over what TFDS has prepared elsewhere, as array_record or tfrecord.

  Raises:
    DataError: it is not there, damaged, another dataset, or stored otherwise.
  """
  place, origin = folder(dataset, data_dir), pathlib.Path(source)
  if (place / manifest.NAME).exists():
    raise DataError(f'{place} is there already. Remove it to import another.')
  stored = _check_origin(dataset, origin)
  if origin.resolve() == place.resolve():
    if stored == tfrecord.FORMAT:
      raise DataError(
        f'{origin} is stored as {stored}, and is written again in another '
        'folder: say another --data_dir.'
      )
    return finish(dataset, place, tell)
  partial = place.with_name(f'{place.name}.partial')
  shutil.rmtree(partial, ignore_errors=True)
  tell(f'Copying {origin} to {place} ...')
  copy = tfrecord.convert if stored == tfrecord.FORMAT else shutil.copytree
  copy(origin, partial)
  partial.replace(place)
  return finish(dataset, place, tell)


def finish(dataset: Dataset, place: pathlib.Path, tell: Tell) -> pathlib.Path:
  """Arrays of all splits, and then the manifest."""
  examples = {}
  for split, published in dataset.examples.items():
    tell(f'Decoding {split} ...')
    examples[split] = images.save(place, split)
    if examples[split] != published:
      tell(
        f'Note: {split} has {examples[split]} examples; published are '
        f'{published}.'
      )
  made = manifest.write(place, examples)
  tell(f'{place} is ready: {made.total:,} bytes, {made.digest[:12]}.')
  return place


def _check_origin(dataset: Dataset, origin: pathlib.Path) -> str:
  """How its records are stored."""
  try:
    info = tfds.builder_from_directory(origin).info
  except Exception as error:
    raise DataError(
      f'{origin} is no dataset prepared by TFDS ({type(error).__name__}). It '
      'must be the folder of a version, with dataset_info.json in it.'
    ) from error
  if (info.name, str(info.version)) != (dataset.name, dataset.version):
    raise DataError(
      f'{origin} is {info.name} {info.version}; needed is {dataset.name} '
      f'{dataset.version}.'
    )
  stored = info.file_format.value
  if stored not in (tfrecord.FORMAT, tfrecord.OURS):
    raise DataError(
      f'{origin} is stored as {stored}. Known are {tfrecord.OURS} and '
      f'{tfrecord.FORMAT}: prepare it with file_format="{tfrecord.OURS}".'
    )
  return stored


def _ours(error: BaseException | None) -> DataError | None:
  """TFDS wraps what is raised while it writes."""
  while error is not None:
    if isinstance(error, DataError):
      return error
    error = error.__cause__ or error.__context__
  return None
