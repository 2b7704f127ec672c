"""Datasets of workloads: who needs which, where they lie, how they are.

Only the standard library, so that a runner can look for data before anything
is started. A dataset lies in <data_dir>/<name>/<version>, in TFDS's own format
(array_record; click logs, text and scans in rows of a fixed width), with a
manifest of ours beside it.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from workloads.data import manifest
from workloads.data.catalogue import DATASETS, Dataset
from workloads.data.manifest import DataError

THOROUGH = 2**28  # Bytes of a dataset that are hashed at every start.

NEEDS = {  # Names of datasets, by family.
  'mnist': ('mnist',),
  'cifar': ('cifar10',),
  'imagenet_resnet': ('imagenet2012', 'imagenet_v2'),
  'imagenet_vit': ('imagenet2012', 'imagenet_v2'),
  'finewebedu_lm': ('fineweb_edu',),
  'librispeech_conformer': ('librispeech',),
  'librispeech_deepspeech': ('librispeech',),
  'wmt': ('wmt17_translate', 'wmt14_translate'),  # In that order.
  'criteo1tb': ('criteo1tb',),
  'fastmri': ('fastmri',),
  'ogbg': ('ogbg_molpcba',),
}
WITHIN = ('digits',)  # Families whose data come with a library.
GENERATED = 'mini'  # How variants begin that make their own data.


def needed(workload: str) -> tuple[Dataset, ...]:
  """The datasets of a workload; none where it makes its own data."""
  family, _, variant = workload.partition('/')
  if variant.startswith(GENERATED) or family in WITHIN:
    return ()
  return tuple(DATASETS[name] for name in NEEDS[family])


def folder(dataset: Dataset, data_dir: str | pathlib.Path) -> pathlib.Path:
  """Return where a dataset is, or is to be.

  Raises:
    DataError: there can be no such folder, as where its name is too long.
  """
  home = pathlib.Path(data_dir) / dataset.name
  place = home / dataset.config / dataset.version
  try:
    os.lstat(place)
  except (FileNotFoundError, NotADirectoryError):
    pass  # It can be made, or the system says why not.
  except OSError as error:
    raise DataError(
      f'{place} cannot be read: {error.strerror}. Say another --data_dir.'
    ) from error
  return place


@contextlib.contextmanager
def replacing(place: pathlib.Path) -> Iterator[pathlib.Path]:
  """A folder beside it, not made here, which takes its place in the end.

  What fails leaves it where it is, for whoever goes on with it.
  """
  partial = place.with_name(f'{place.name}.partial')
  yield partial
  partial.replace(place)


def find(workload: str, data_dir: str | None) -> dict[str, pathlib.Path]:
  """The folders of the datasets that a workload needs, by name, looked at.

  Files are there and as long as they were; small datasets are hashed as well.

  Raises:
    DataError: one is not there, or not as it was prepared.
  """
  return {
    dataset.name: _find(dataset, workload, data_dir)
    for dataset in needed(workload)
  }


def facts(workload: str, data_dir: str | None) -> dict[str, Any]:
  """What a trial stores of its data, by dataset; nothing if it makes them."""
  if data_dir is None:
    return {}
  found = {}
  for dataset in needed(workload):
    known = manifest.load(folder(dataset, data_dir))
    found[dataset.title] = {
      'examples': known.examples,
      'bytes': known.total,
      'manifest': known.digest,
    }
  return found


def _find(
  dataset: Dataset, workload: str, data_dir: str | None
) -> pathlib.Path:
  prepare = (
    f'python -m workloads data prepare --workload={workload} '
    f'--data_dir={data_dir or "DIR"}'
  )
  if data_dir is None:
    raise DataError(
      f'{workload} needs {dataset.title}: say where it is by --data_dir=DIR, '
      f'or prepare it: {prepare}'
    )
  place = folder(dataset, data_dir)
  if not place.is_dir():
    raise DataError(f'{workload} needs {place}. Prepare it: {prepare}')
  known = manifest.load(place)
  manifest.check(place, known, thorough=known.total <= THOROUGH)
  return place
