"""Compare our speed of drawing training batches with TFDS's.

`python -m tests.benchmarks.input_pipeline` makes small datasets in their
published format, prepares them, and draws training batches in turn: with our
loader, and with TFDS's data source, which decodes each record on request. Half
a minute.
"""

import pathlib
import statistics
import tempfile
import time

import numpy as np
import tensorflow_datasets as tfds

import workloads
from tests.support import published
from workloads import batches, data, prepare

ROUNDS = 15
SIZES = {'mnist': 1024, 'cifar': 128}  # Batch size by workload.


def ours(name, home):
  """Yield the seconds of each of our batches."""
  source = workloads.get(name).source('train', str(home))
  for step in range(ROUNDS):
    began = time.perf_counter()
    batches.train_batch(source, 1, step * SIZES[name], SIZES[name])
    yield time.perf_counter() - began


def theirs(name, home):
  """Yield TFDS's seconds for reading and decoding, without augmentation."""
  [place] = data.find(name, str(home)).values()
  source = tfds.builder_from_directory(place).as_data_source('train')
  for step in range(ROUNDS):
    indices = batches.stream(len(source), 1, step * SIZES[name], SIZES[name])
    began = time.perf_counter()
    rows = source.__getitems__(indices.tolist())
    np.stack([row['image'] for row in rows])
    yield time.perf_counter() - began


def main() -> None:
  """Print a table with one row per workload."""
  with tempfile.TemporaryDirectory() as folder:
    raw, home = pathlib.Path(folder) / 'raw', pathlib.Path(folder) / 'data'
    raw.mkdir()
    published.mnist(raw, train=6000, test=20)
    published.cifar10(raw, each=1000, test=20)
    for dataset in data.DATASETS.values():
      prepare.prepare(dataset, str(home), str(raw), lambda text: None)
    print('| batch | ours, ms | TFDS, ms | ratio (quartiles) |')
    print('|---|---|---|---|')
    for name, size in SIZES.items():
      pairs = list(zip(ours(name, home), theirs(name, home), strict=True))
      mine, other = (statistics.median(x) for x in zip(*pairs, strict=True))
      ratios = [a / b for a, b in pairs]
      low, middle, high = statistics.quantiles(ratios, n=4)
      print(
        f'| {name}, {size} | {1e3 * mine:.2f} | {1e3 * other:.1f} | '
        f'{middle:.4f} ({low:.4f}, {high:.4f}) |'
      )


if __name__ == '__main__':
  main()
