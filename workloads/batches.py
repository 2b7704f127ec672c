"""Batches as pure functions of numbers: no iterator has a state to lose.

Training reads one endless stream of examples: every epoch is a fresh
permutation of the source, drawn from (seed, epoch), and a batch is a slice of
the stream. Any batch of any step can be made again, by anyone, in any order.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from workloads.workload import Batch, Drawn, Source


class Arrays(NamedTuple):
  """A source whose examples lie in memory, one row an example."""

  rows: dict[str, np.ndarray]

  def __len__(self) -> int:
    return len(next(iter(self.rows.values())))

  def __getitem__(self, indices) -> dict[str, np.ndarray]:  # pyrefly: ignore
    return {name: rows[indices] for name, rows in self.rows.items()}


def stream(size: int, seed: int, first: int, count: int) -> np.ndarray:
  """Numbers of the examples first..first+count-1 of the shuffled stream.

  Args:
    size: Examples in an epoch; each occurs once in it.
    seed: Seeds every epoch's permutation.
    first: Position in the stream, over all epochs.
    count: How many.
  """
  parts = []
  while count:
    epoch, start = divmod(first, size)
    part = _permutation(size, seed, epoch)[start : start + count]
    parts.append(part)
    first, count = first + len(part), count - len(part)
  return np.concatenate(parts)


@functools.lru_cache(maxsize=4)
def _permutation(size: int, seed: int, epoch: int) -> np.ndarray:
  return np.random.default_rng([seed, epoch]).permutation(size)


def train_batch(source: Source, seed: int, first: int, size: int) -> Batch:
  """The examples first..first+size-1 of the stream, all with weight one.

  Hosts that share a batch each read a part of it by its position.
  """
  if isinstance(source, Drawn):
    return weighted(source.draw(seed, first, size), size)
  return weighted(source[stream(len(source), seed, first, size)], size)


def eval_batches(
  source: Source,
  size: int,
  limit: int | None = None,
  rows: slice = slice(None),
) -> Iterator[Batch]:
  """One ordered pass, or its first `limit` examples.

  Shapes never change: the last batch is filled with repetitions of its last
  example, whose weight is zero. Hosts that share a batch each read their `rows`
  of it.
  """
  total = len(source) if limit is None else min(len(source), limit)
  for start in range(0, total, size):
    real = min(size, total - start)
    indices = np.minimum(np.arange(start, start + size), total - 1)[rows]
    yield weighted(source[indices], real - (rows.start or 0))


def weighted(rows: dict[str, np.ndarray], real: int) -> Batch:
  """Adds 'weights' [B]: one for the first `real` examples, then zero."""
  size = len(next(iter(rows.values())))
  return rows | {'weights': (np.arange(size) < real).astype(np.float32)}
