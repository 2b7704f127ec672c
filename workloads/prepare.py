"""Makes prepared datasets: from published files, or from somebody's TFDS."""

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
  """Writes a dataset: most are of TFDS (local.Local)."""

  def make(self, data_dir: str, raw: str | None, tell: Tell) -> None:
    """Writes what is not there yet of all examples below data_dir."""

  def finish(self, place: pathlib.Path, tell: Tell) -> dict[str, int]:
    """What is to be done when they are there; examples by split."""
    ...

  def holds(self, place: pathlib.Path) -> bool:
    """Whether a folder is one that `make` has written, and not TFDS."""
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
  tell(f'Preparing {dataset.title} in {place} ...')
  try:
    BUILDERS[dataset.name].make(data_dir, raw, tell)
  except Exception as error:
    raise _ours(error) or DataError(
      f'{dataset.title} could not be prepared: {type(error).__name__} {error}'
    ) from error
  return finish(dataset, place, tell)


def take(
  wanted: Sequence[Dataset], data_dir: str, source: str, tell: Tell
) -> pathlib.Path:
  """Takes over what was prepared elsewhere.

  By TFDS, as array_record or tfrecord; or by a builder that is not of TFDS.

  Args:
    wanted: One of these is there.
    data_dir: Folder of all datasets.
    source: Where it is.
    tell: Hears what is done.

  Raises:
    DataError: it is not there, damaged, another dataset, or stored otherwise.
  """
  origin = pathlib.Path(source)
  dataset, stored = _recognized(wanted, origin)
  place = folder(dataset, data_dir)
  if (place / manifest.NAME).exists():
    raise DataError(f'{place} is there already. Remove it to import another.')
  if origin.resolve() == place.resolve():
    if stored == tfrecord.FORMAT:
      raise DataError(
        f'{origin} is stored as {stored}, and is written again in another '
        'folder: say another --data_dir.'
      )
    return finish(dataset, place, tell)
  if place.exists():
    raise DataError(
      f'{place} is there, but was not finished: prepare goes on with it. '
      'Remove it to import another.'
    )
  tell(f'Copying {origin} to {place} ...')
  copy = tfrecord.convert if stored == tfrecord.FORMAT else shutil.copytree
  with replacing(place) as partial:
    shutil.rmtree(partial, ignore_errors=True)
    copy(origin, partial)
    if (partial / manifest.NAME).exists():  # Written where it was prepared.
      manifest.check(partial, manifest.load(partial), thorough=True)
  return finish(dataset, place, tell)


def finish(dataset: Dataset, place: pathlib.Path, tell: Tell) -> pathlib.Path:
  """What its builder has left to do, and then the manifest."""
  examples = BUILDERS[dataset.name].finish(place, tell)
  for split, published in dataset.examples.items():
    if examples[split] != published:
      tell(
        f'Note: {split} has {examples[split]} examples; published are '
        f'{published}.'
      )
  made = manifest.write(place, examples)
  tell(f'{place} is ready: {made.total:,} bytes, {made.digest[:12]}.')
  return place


def _recognized(
  wanted: Sequence[Dataset], origin: pathlib.Path
) -> tuple[Dataset, str]:
  """Which of the datasets it is, and how its records are stored."""
  for dataset in wanted:
    if BUILDERS[dataset.name].holds(origin):
      return dataset, 'rows'
  try:
    # Not the features, whose classes may take TensorFlow.
    info = tfds.core.dataset_info.read_proto_from_builder_dir(origin)
  except Exception as error:
    raise DataError(
      f'{origin} is no dataset prepared by TFDS ({type(error).__name__}). It '
      'must be the folder of a version, with dataset_info.json in it. Files as '
      f'they are published are prepared: prepare --raw={origin}'
    ) from error
  title = ' '.join(filter(None, (info.name, info.config_name, info.version)))
  known = {dataset.title: dataset for dataset in wanted}
  if title not in known:
    raise DataError(
      f'{origin} is {title}; needed is {" or ".join(known)}. Have TFDS prepare '
      'that, or prepare it from its published files: data prepare --raw=FOLDER.'
    )
  stored = info.file_format or tfrecord.FORMAT
  if stored not in (tfrecord.FORMAT, tfrecord.OURS):
    raise DataError(
      f'{origin} is stored as {stored}. Known are {tfrecord.OURS} and '
      f'{tfrecord.FORMAT}: prepare it with file_format="{tfrecord.OURS}".'
    )
  return known[title], stored


def _ours(error: BaseException | None) -> DataError | None:
  """TFDS wraps what is raised while it writes."""
  while error is not None:
    if isinstance(error, DataError):
      return error
    error = error.__cause__ or error.__context__
  return None
