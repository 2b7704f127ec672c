"""Where the decoded images of a dataset lie, beside its records."""

import pathlib

import numpy as np


def path(folder: pathlib.Path, split: str) -> pathlib.Path:
  return folder / f'arrays-{split}.npz'


def load(folder: pathlib.Path, split: str) -> tuple[np.ndarray, np.ndarray]:
  """Images [N, S, S, C] uint8 and targets [N] int32 of TFDS's split."""
  with np.load(path(folder, split), allow_pickle=False) as found:
    return found['images'], found['targets']
