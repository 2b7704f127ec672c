"""Measure speed and memory of loading molecules of ogbg-molpcba.

`python -m tests.benchmarks.molecule_pipeline` makes 50,000 molecules of the
usual size in OGB's archive, prepares and loads them, and draws training batches
of 512. All work is on one core, in seconds of this core. For comparison, TFDS's
data source only reads and decodes the same molecules. The last figure is the
memory that XLA plans for an evaluation of 32,768 graphs beside the batch. A few
minutes, most of them to make the molecules.
"""

import os
import pathlib
import statistics
import tempfile
import time

import jax
import tensorflow_datasets as tfds

import workloads
from tests.support import published_ogbg as published
from workloads import batches, data, prepare

COUNTS = {'train': 40_000, 'validation': 5_000, 'test': 5_000}
SIZE, EVALUATED = 512, 32_768
STEPS, THEIRS = 70, 5


def seconds(make):
  """Return the core's seconds for a call, and the call's result."""
  start = time.process_time()
  made = make()
  return time.process_time() - start, made


def planned():
  """Return the bytes that XLA plans for an evaluation, published model."""
  workload = workloads.get('ogbg')
  key = jax.eval_shape(lambda: jax.random.key(0))
  model = jax.eval_shape(workload.init, key)
  batch = jax.eval_shape(lambda key: workload.fake_batch(key, EVALUATED), key)
  compiled = jax.jit(workload.eval_stats).lower(model, batch).compile()
  return compiled.memory_analysis().temp_size_in_bytes


def main():
  """Print seconds, bytes and padding."""
  os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
  dataset = data.DATASETS['ogbg_molpcba']
  with tempfile.TemporaryDirectory() as folder:
    published.write(pathlib.Path(folder), COUNTS)
    taken, place = seconds(
      lambda: prepare.prepare(dataset, folder, folder, print)
    )
    print(f'prepare: {taken:.1f} s')
    taken, source = seconds(
      lambda: workloads.get('ogbg').source('train', folder)
    )
    size = sum(rows.nbytes for rows in source.molecules)
    print(f'load: {taken:.3f} s, {size / len(source):.0f} bytes a molecule')
    ours = []
    for step in range(STEPS):
      taken, batch = seconds(
        lambda first=step * SIZE: batches.train_batch(source, 0, first, SIZE)
      )
      ours.append(1e3 * taken)
    own = tfds.builder_from_directory(place).as_data_source('train')
    theirs = [
      1e3 * seconds(lambda: own.__getitems__(list(range(SIZE))))[0]
      for _ in range(THEIRS)
    ]
    print(f'a batch: {statistics.median(ours):.2f} ms (most {max(ours):.2f})')
    print(f'by TFDS: {statistics.median(theirs):.1f} ms')
    graphs = int((batch['n_node'] > 0).sum())
    padding = workloads.get('ogbg').padding(batch)
    print(f'the last had {graphs} graphs and {padding:.2%} padding')
  print(f'evaluation: {planned() / 1e9:.2f} GB beside the batch')


if __name__ == '__main__':
  main()
