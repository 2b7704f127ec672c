"""Published datasets: what they are, who needs them, and where they lie.

Only the standard library, so that a runner can look for data before anything
is started. A dataset lies in <data_dir>/<name>/<version>, in TFDS's own format
(array_record), with a manifest of ours beside it.
"""

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from workloads.data import manifest
from workloads.data.manifest import DataError

THOROUGH = 2**28  # Bytes of a dataset that are hashed at every start.


class File(NamedTuple):
  """As it is published, and as TFDS knows it."""

  name: str
  bytes: int
  sha256: str


class Dataset(NamedTuple):
  """As TFDS has it."""

  name: str
  version: str
  examples: Mapping[str, int]  # Published, by TFDS's split.
  megabytes: int  # Prepared, about.
  raw: tuple[File, ...]
  url: str  # Of the folder that they are in.
  page: str  # Says who made it and under which terms.


DATASETS = {
  'mnist': Dataset(
    'mnist',
    '3.0.1',
    {'train': 60_000, 'test': 10_000},
    80,
    (
      File(
        'train-images-idx3-ubyte.gz',
        9_912_422,
        '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
      ),
      File(
        'train-labels-idx1-ubyte.gz',
        28_881,
        '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
      ),
      File(
        't10k-images-idx3-ubyte.gz',
        1_648_877,
        '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
      ),
      File(
        't10k-labels-idx1-ubyte.gz',
        4_542,
        'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
      ),
    ),
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
    'http://yann.lecun.com/exdb/mnist/',
  ),
  'cifar10': Dataset(
    'cifar10',
    '3.0.2',
    {'train': 50_000, 'test': 10_000},
    320,
    (
      File(
        'cifar-10-binary.tar.gz',
        170_052_171,
        'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
      ),
    ),
    'https://www.cs.toronto.edu/~kriz/',
    'https://www.cs.toronto.edu/~kriz/cifar.html',
  ),
}
NEEDS = {'mnist': 'mnist', 'cifar': 'cifar10'}  # Datasets, by family.
WITHIN = ('digits',)  # Families whose data come with a library.
GENERATED = 'mini'  # How variants begin that make their own data.


def needed(workload: str) -> Dataset | None:
  """The dataset of a workload; None where it needs none.

  Raises:
    DataError: reading it is not written yet.
  """
  family, _, variant = workload.partition('/')
  if variant.startswith(GENERATED) or family in WITHIN:
    return None
  if family not in NEEDS:
    raise unread(family)
  return DATASETS[NEEDS[family]]


def unread(family: str) -> DataError:
  """To be raised where the data of a family cannot be read yet."""
  return DataError(
    f'Reading the published data of {family} is not written yet. '
    f"'{family}/mini' needs no data."
  )


def folder(dataset: Dataset, data_dir: str | pathlib.Path) -> pathlib.Path:
  return pathlib.Path(data_dir) / dataset.name / dataset.version


def find(workload: str, data_dir: str | None) -> pathlib.Path:
  """The folder of the dataset that a workload needs, looked at.

  Files are there and as long as they were; small datasets are hashed as well.

  Raises:
    DataError: it is not there, or not as it was prepared.
  """
  dataset = needed(workload)
  if dataset is None:
    raise DataError(f'{workload} needs no data.')
  prepare = (
    f'python -m workloads data prepare --workload={workload} '
    f'--data_dir={data_dir or "DIR"}'
  )
  if data_dir is None:
    raise DataError(
      f'{workload} needs {dataset.name} {dataset.version}: say where it is by '
      f'--data_dir=DIR, or prepare it: {prepare}'
    )
  place = folder(dataset, data_dir)
  if not place.is_dir():
    raise DataError(f'{workload} needs {place}. Prepare it: {prepare}')
  known = manifest.load(place)
  manifest.check(place, known, thorough=known.total <= THOROUGH)
  return place


def facts(workload: str, data_dir: str | None) -> dict[str, Any]:
  """What a trial stores of its data; nothing where they are generated."""
  dataset = needed(workload)
  if dataset is None or data_dir is None:
    return {}
  known = manifest.load(folder(dataset, data_dir))
  return {
    'dataset': f'{dataset.name} {dataset.version}',
    'examples': known.examples,
    'bytes': known.total,
    'manifest': known.digest,
  }
