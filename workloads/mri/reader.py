"""Source of fastMRI's measured slices of knees.

The choice of columns follows AlgoPerf (Dahl et al. 2023, arXiv:2306.07179).
Every training slice has its own columns, the same in all epochs. In evaluation
all slices of the same width have the same columns. See also kspace.py.
"""

import functools

import numpy as np

from workloads import data
from workloads.data.streams import Row, Stored
from workloads.mri import kspace
from workloads.mri.volumes import Slices

EVALUATED = 0  # Seed of the columns in evaluation.


def source(workload: str, split: str, data_dir: str | None) -> Stored:
  """Return a split of fastMRI's knees.

  Args:
    workload: Name of the workload.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.

  Raises:
    DataError: The data are missing, or have changed since their preparation.
  """
  slices = Slices(data.find(workload, data_dir)['fastmri'], split)
  return Stored(slices, decode, same_again=True)


def decode(record, rng: np.random.Generator | None) -> Row:
  """Return the row of a batch for a slice in the format of volumes.row.

  Raises:
    ValueError: The image of the chosen columns has no contrast.
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
  """Draw the columns to use, bool [width]."""
  return kspace.draw_columns(rng, 1, width)[0]
