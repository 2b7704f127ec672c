"""Sequences of published text, as a source.

Every epoch is a permutation of all of them, where AlgoPerf shuffles a thousand
at a time. A batch is read from the disk ahead of its step.
"""

from typing import NamedTuple

import numpy as np

from workloads import data
from workloads.batches import stream
from workloads.text import sequences


class Text(NamedTuple):
  """Of the first `size` sequences."""

  sequences: sequences.Sequences
  size: int
  ahead = 2

  def __len__(self) -> int:
    return self.size

  def __getitem__(self, indices) -> dict[str, np.ndarray]:  # pyrefly: ignore
    """'inputs' and the tokens that follow them, 'targets': [B, 1024] int32."""
    rows = self.sequences.take(indices)
    return {'inputs': rows[:, :-1], 'targets': rows[:, 1:]}

  def draw(self, seed: int, first: int, count: int) -> dict[str, np.ndarray]:
    """As workload.Drawn."""
    return self[stream(self.size, seed, first, count)]


def source(workload: str, split: str, data_dir: str | None) -> Text:
  """Sequences of a split; of 'test' there are none.

  Raises:
    DataError: they are not there, or not as they were prepared.
  """
  [place] = data.find(workload, data_dir).values()
  found = sequences.load(place, 'train' if split == 'train' else 'validation')
  most = {'train': len(found), 'validation': sequences.VALIDATION, 'test': 0}[
    split
  ]
  return Text(found, min(len(found), most))
