"""Datasets of workloads: their users, folders and completeness.

Imports only the standard library: a runner checks the data before it starts
anything else. A dataset is in <data_dir>/<name>/<version>, in TFDS's format
array_record or, for click logs, text and scans, in rows of a fixed width. Our
manifest is in the same folder.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from workloads.data import manifest
from workloads.data.catalogue import DATASETS, Dataset
from workloads.data.manifest import DataError

THOROUGH = 2**28  # Largest dataset, in bytes, that every start hashes.

NEEDS = {  # Names of datasets by family.
  'mnist': ('mnist',),
  'cifar': ('cifar10',),
  'imagenet_resnet': ('imagenet2012', 'imagenet_v2'),
  'imagenet_vit': ('imagenet2012', 'imagenet_v2'),
  'finewebedu_lm': ('fineweb_edu',),
  'librispeech_conformer': ('librispeech',),
  'librispeech_deepspeech': ('librispeech',),
  'wmt': ('wmt17_translate', 'wmt14_translate'),  # WMT14 uses WMT17's model.
  'criteo1tb': ('criteo1tb',),
  'fastmri': ('fastmri',),
  'ogbg': ('ogbg_molpcba',),
}
WITHIN = ('digits',)  # Families whose data are part of a library.
GENERATED = 'mini'  # Name prefix of variants with generated data.


def needed(workload: str) -> tuple[Dataset, ...]:
  """Return the datasets of a workload; () if it generates its data."""
  family, _, variant = workload.partition('/')
  if variant.startswith(GENERATED) or family in WITHIN:
    return ()
  return tuple(DATASETS[name] for name in NEEDS[family])


def folder(dataset: Dataset, data_dir: str | pathlib.Path) -> pathlib.Path:
  """Return the folder of a dataset, with its configuration and version.

  Raises:
    DataError: there can be no such folder, for example its name is too long.
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
  """Yield the path `place`.partial, and rename it to `place` at the end.

  The caller creates the partial folder. After an error the partial folder
  stays, and the next call can continue with it.
  """
  partial = place.with_name(f'{place.name}.partial')
  yield partial
  partial.replace(place)


def find(workload: str, data_dir: str | None) -> dict[str, pathlib.Path]:
  """Check the datasets of a workload and return their folders by name.

  Compares the names and lengths of all files, and the hashes of small datasets.

  Raises:
    DataError: A dataset is missing or has changed since its preparation.
  """
  return {
    dataset.name: _find(dataset, workload, data_dir)
    for dataset in needed(workload)
  }


def facts(workload: str, data_dir: str | None) -> dict[str, Any]:
  """Return what a trial records about each of its datasets."""
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
    f'timetrial data prepare --workload={workload} '
    f'--data_dir={data_dir or "DIR"}'
  )
  if data_dir is None:
    raise DataError(
      f'{workload} needs {dataset.title}. Add --data_dir=DIR, or prepare the '
      f'dataset: {prepare}'
    )
  place = folder(dataset, data_dir)
  if not place.is_dir():
    raise DataError(
      f'{workload} needs {place}, which does not exist. Prepare the dataset: '
      f'{prepare}'
    )
  known = manifest.load(place)
  manifest.check(place, known, thorough=known.total <= THOROUGH)
  return place
