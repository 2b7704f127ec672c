"""Files with the decoded images of a dataset, next to its records."""

import pathlib

import numpy as np


def path(folder: pathlib.Path, split: str) -> pathlib.Path:
  """Return the path of a split's arrays."""
  return folder / f'arrays-{split}.npz'


def load(folder: pathlib.Path, split: str) -> tuple[np.ndarray, np.ndarray]:
  """Return images [N, S, S, C] uint8 and targets [N] int32 of a TFDS split."""
  with np.load(path(folder, split), allow_pickle=False) as found:
    return found['images'], found['targets']
