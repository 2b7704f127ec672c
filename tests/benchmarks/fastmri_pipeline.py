"""Measure how fast slices of fastMRI are prepared and loaded.

`python -m tests.benchmarks.fastmri_pipeline` makes volumes of published size,
prepares them, and draws batches of 32, three times per loader in turn. All work
is on one core, in seconds of this core. Our loader starts from data halfway to
the image. The other loader applies the same formula to HDF5 files of
measurements, which AlgoPerf stores. Half a minute.
"""

import io
import os
import pathlib
import tempfile
import time

import h5py
import numpy as np

import workloads
from tests.benchmarks.loaders import compare
from tests.support import published_fastmri as published
from workloads import batches, data, prepare
from workloads.mri import kspace

SIZE, STEPS = 32, 12
SLICES = 36  # Slices per volume, about as many as in published volumes.
WIDTHS = (368, 372, 368, 372, 372)  # Columns of the training volumes.


def write(folder):
  """Write all volumes, unpacked in folders."""
  rng = np.random.default_rng(0)
  for part, widths in {'train': WIDTHS, 'val': (368, 368)}.items():
    files = {}
    for n, width in enumerate(widths):
      measured, target, brightest = published.volume(rng, 1, width)
      many = [np.repeat(array, SLICES, 0) for array in (measured, target)]
      files[f'file{n}.h5'] = published.hdf5(*many, brightest)
    published.unpacked(folder / f'knee_singlecoil_{part}', files)


def ours(home):
  """Yield batches of our loader."""
  source = workloads.get('fastmri').source('train', str(home))
  for step in range(STEPS):
    yield batches.train_batch(source, 1, step * SIZE, SIZE)


def plain(raw):
  """Yield batches by the published formula."""
  paths = sorted((raw / 'knee_singlecoil_train').glob('*.h5'))
  files = [h5py.File(io.BytesIO(path.read_bytes())) for path in paths]
  for step in range(STEPS):
    numbers = batches.stream(len(files) * SLICES, 1, step * SIZE, SIZE)
    rows = []
    for number in numbers:
      file, n = files[number // SLICES], number % SLICES
      measured = file['kspace'][n]
      columns = kspace.draw_columns(
        np.random.default_rng(number), 1, measured.shape[1]
      )[0]
      target = file['reconstruction_esc'][n]
      rows.append(kspace.example(measured, columns, target))
    yield {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def main() -> None:
  """Print the speed of preparing and of both loaders."""
  os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
  with tempfile.TemporaryDirectory() as folder:
    raw, home = pathlib.Path(folder) / 'raw', pathlib.Path(folder) / 'data'
    raw.mkdir()
    write(raw)
    began = time.process_time()
    prepare.prepare(
      data.DATASETS['fastmri'], str(home), str(raw), lambda _: None
    )
    rate = SLICES * (len(WIDTHS) + 2) / (time.process_time() - began)
    print(f'Prepared, and hashed: {rate:.0f} slices per second of a core.')
    made = {'ours': lambda: ours(home), 'from k-space': lambda: plain(raw)}
    compare(made, SIZE, 'slices')


if __name__ == '__main__':
  main()
