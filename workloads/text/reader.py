"""Source of sequences of published text.

Every epoch is a permutation of all sequences; AlgoPerf shuffles only a thousand
at a time. Batches are read from disk before their step.
"""

from typing import NamedTuple

import numpy as np

from workloads import data
from workloads.batches import stream
from workloads.text import sequences


class Text(NamedTuple):
  """A source of the first `size` sequences."""

  sequences: sequences.Sequences
  size: int
  ahead = 2

  def __len__(self) -> int:
    return self.size

  def __getitem__(self, indices) -> dict[str, np.ndarray]:  # pyrefly: ignore
    """Return 'inputs' and 'targets' (the next tokens), each [B, 1024] int32."""
    rows = self.sequences.take(indices)
    return {'inputs': rows[:, :-1], 'targets': rows[:, 1:]}

  def draw(self, seed: int, first: int, count: int) -> dict[str, np.ndarray]:
    """See workload.Drawn."""
    return self[stream(self.size, seed, first, count)]


def source(workload: str, split: str, data_dir: str | None) -> Text:
  """Return the sequences of a split; the 'test' split is empty.

  Args:
    workload: Name of the workload.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.

  Raises:
    DataError: The data are missing, or have changed since their preparation.
  """
  [place] = data.find(workload, data_dir).values()
  found = sequences.load(place, 'train' if split == 'train' else 'validation')
  most = {'train': len(found), 'validation': sequences.VALIDATION, 'test': 0}[
    split
  ]
  return Text(found, min(len(found), most))
