"""Preparation of datasets, from published files or from a TFDS folder."""

import pathlib
import shutil
from collections.abc import Sequence
from typing import Protocol

import tensorflow_datasets as tfds

from workloads.clicks import prepare as criteo
from workloads.data import folder, manifest, replacing, tfrecord
from workloads.data.catalogue import Dataset
from workloads.data.local import Tell
from workloads.data.manifest import DataError
from workloads.graphs import prepare as pcba
from workloads.images import prepare_imagenet, prepare_small
from workloads.mri import prepare as fastmri
from workloads.speech import prepare as librispeech
from workloads.text import prepare_finewebedu, prepare_wmt


class Builder(Protocol):
  """Writer of one dataset. Most builders extend TFDS's (local.Local)."""

  def make(self, data_dir: str, raw: str | None, tell: Tell) -> None:
    """Write the examples that are still missing below data_dir.

    Args:
      data_dir: Folder of all datasets.
      raw: Folder of the published files; None downloads them.
      tell: Receives progress messages.
    """

  def finish(self, place: pathlib.Path, tell: Tell) -> dict[str, int]:
    """Run the steps after `make`; return the number of examples by split."""
    ...

  def holds(self, place: pathlib.Path) -> bool:
    """Test if `make`, not TFDS, has written this folder."""
    ...


BUILDERS: dict[str, Builder] = {
  builder.name: builder
  for builder in (
    prepare_small.Mnist,
    prepare_small.Cifar10,
    prepare_imagenet.Imagenet2012,
    prepare_imagenet.ImagenetV2,
    criteo.Criteo1TB,
    fastmri.FastMRI,
    prepare_finewebedu.FineWebEdu,
    librispeech.LibriSpeech,
    prepare_wmt.Wmt17,
    prepare_wmt.Wmt14,
    pcba.OgbgMolpcba,
  )
}


def prepare(
  dataset: Dataset, data_dir: str, raw: str | None, tell: Tell
) -> pathlib.Path:
  """Prepare a dataset, or continue its preparation.

  Args:
    dataset: The dataset to prepare.
    data_dir: Folder of all datasets.
    raw: Folder of the published files; None downloads them.
    tell: Receives progress messages.

  Returns:
    Folder of the dataset.

  Raises:
    DataError: Published files are missing or damaged.
  """
  place = folder(dataset, data_dir)
  if (place / manifest.NAME).exists():
    manifest.check(place, manifest.load(place), thorough=True)
    tell(f'{place} is complete: all files match its manifest.')
    return place
  tell(f'Preparing {dataset.title} in {place} ...')
  try:
    BUILDERS[dataset.name].make(data_dir, raw, tell)
  except Exception as error:
    raise _ours(error) or DataError(
      f'Preparing {dataset.title} failed: {type(error).__name__} {error}'
    ) from error
  return finish(dataset, place, tell)


def take(
  wanted: Sequence[Dataset], data_dir: str, source: str, tell: Tell
) -> pathlib.Path:
  """Copy a dataset that was prepared elsewhere.

  TFDS (as array_record or tfrecord) or one of our builders has prepared it.

  Args:
    wanted: Datasets to recognize; source contains one of them.
    data_dir: Folder of all datasets.
    source: Folder of the prepared dataset.
    tell: Receives progress messages.

  Returns:
    Folder of the copy.

  Raises:
    DataError: The dataset is missing, damaged, not one of `wanted`, or in
      another format.
  """
  origin = pathlib.Path(source)
  dataset, stored = _recognized(wanted, origin)
  place = folder(dataset, data_dir)
  if (place / manifest.NAME).exists():
    raise DataError(
      f'{place} exists already. Remove this folder to import another one.'
    )
  if origin.resolve() == place.resolve():
    if stored == tfrecord.FORMAT:
      raise DataError(
        f'{origin} is in the format {stored}. Its conversion needs another '
        'folder: change --data_dir.'
      )
    return finish(dataset, place, tell)
  if place.exists():
    raise DataError(
      f'{place} exists, but its preparation was not finished. Continue with '
      '`data prepare`, or remove the folder to import another one.'
    )
  tell(f'Copying {origin} to {place} ...')
  copy = tfrecord.convert if stored == tfrecord.FORMAT else shutil.copytree
  with replacing(place) as partial:
    shutil.rmtree(partial, ignore_errors=True)
    copy(origin, partial)
    if (partial / manifest.NAME).exists():  # Copied from the origin.
      manifest.check(partial, manifest.load(partial), thorough=True)
  return finish(dataset, place, tell)


def finish(dataset: Dataset, place: pathlib.Path, tell: Tell) -> pathlib.Path:
  """Run the last steps of a dataset's builder and write the manifest.

  Args:
    dataset: The dataset.
    place: Folder of its records.
    tell: Receives progress messages.

  Returns:
    The same folder.
  """
  examples = BUILDERS[dataset.name].finish(place, tell)
  for split, published in dataset.examples.items():
    if examples[split] != published:
      tell(
        f'Note: {split} has {examples[split]} examples; the published dataset '
        f'has {published}.'
      )
  made = manifest.write(place, examples)
  tell(f'{place} is ready: {made.total:,} bytes, {made.digest[:12]}.')
  return place


def _recognized(
  wanted: Sequence[Dataset], origin: pathlib.Path
) -> tuple[Dataset, str]:
  """Return the dataset in a folder, and the format of its records."""
  for dataset in wanted:
    if BUILDERS[dataset.name].holds(origin):
      return dataset, 'rows'
  try:
    # The features are not read: their classes may need TensorFlow.
    info = tfds.core.dataset_info.read_proto_from_builder_dir(origin)
  except Exception as error:
    raise DataError(
      f'{origin} is no dataset prepared by TFDS ({type(error).__name__}). The '
      'folder of a version, with a dataset_info.json, is needed. For published '
      f'files use: data prepare --raw={origin}'
    ) from error
  title = ' '.join(filter(None, (info.name, info.config_name, info.version)))
  known = {dataset.title: dataset for dataset in wanted}
  if title not in known:
    raise DataError(
      f'{origin} is {title}; needed is {" or ".join(known)}. Prepare the '
      'needed dataset with TFDS, or from its published files: data prepare '
      '--raw=FOLDER.'
    )
  stored = info.file_format or tfrecord.FORMAT
  if stored not in (tfrecord.FORMAT, tfrecord.OURS):
    raise DataError(
      f'{origin} is in the format {stored}. Supported formats: {tfrecord.OURS} '
      f'and {tfrecord.FORMAT}. Prepare the dataset with '
      f'file_format="{tfrecord.OURS}".'
    )
  return known[title], stored


def _ours(error: BaseException | None) -> DataError | None:
  """Return the DataError that TFDS has wrapped in its own error, or None."""
  while error is not None:
    if isinstance(error, DataError):
      return error
    error = error.__cause__ or error.__context__
  return None
