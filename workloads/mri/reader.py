"""Slices of knees as a scanner measured them, and what becomes of them.

As AlgoPerf does (Dahl et al. 2023, arXiv:2306.07179): in training, every slice
has columns of its own, which stay the same in all epochs; what is evaluated has
the same columns everywhere, if it is equally wide. `kspace` says the rest.
"""

import functools

import numpy as np

from workloads import data
from workloads.data.streams import Row, Stored
from workloads.mri import kspace
from workloads.mri.volumes import Slices

EVALUATED = 0  # Seed of the columns of all that is evaluated.


def source(workload: str, split: str, data_dir: str | None) -> Stored:
  """A split of fastMRI's knees.

  Args:
    workload: Whose it is.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.

  Raises:
    DataError: the data are not there, or not as they were prepared.
  """
  slices = Slices(data.find(workload, data_dir)['fastmri'], split)
  return Stored(slices, decode, same_again=True)


def decode(record, rng: np.random.Generator | None) -> Row:
  """The row of a batch from a slice, as volumes.row has it.

  Raises:
    ValueError: the image of the columns that are used has no contrast.
  """
  measured = record['measured']
  width = measured.shape[1]
  columns = _fixed(width) if rng is None else _drawn(rng, width)
  row = kspace.example(measured, columns, record['target'], kspace.ALONG_ROWS)
  return row | {'volume_max': record['volume_max']}


@functools.cache
def _fixed(width: int) -> np.ndarray:
  return _drawn(np.random.default_rng(EVALUATED), width)


def _drawn(rng: np.random.Generator, width: int) -> np.ndarray:
  """Columns that are used, bool [width]."""
  return kspace.draw_columns(rng, 1, width)[0]
