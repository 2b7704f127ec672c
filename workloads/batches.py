"""Batches as pure functions of seed and position, without iterator state.

Training reads one endless stream of examples. Every epoch is a new permutation
of the source, drawn from (seed, epoch); a batch is a slice of the stream. Every
host can recompute the batch of any step, in any order.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from workloads.workload import WEIGHTS, Batch, Source


class Arrays(NamedTuple):
  """A source in memory: row n of every array belongs to example n."""

  rows: dict[str, np.ndarray]

  def __len__(self) -> int:
    return len(next(iter(self.rows.values())))

  def __getitem__(self, indices) -> dict[str, np.ndarray]:  # pyrefly: ignore
    return {name: rows[indices] for name, rows in self.rows.items()}


def stream(size: int, seed: int, first: int, count: int) -> np.ndarray:
  """Return the example numbers [count] at positions of the shuffled stream.

  Args:
    size: Number of examples; each occurs once per epoch.
    seed: Seed of every epoch's permutation.
    first: First position, counted over all epochs.
    count: Number of positions.
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
  """Return examples of the training stream, all with weight one.

  Hosts that share a batch each read their part of it.

  Args:
    source: The examples.
    seed: Seed of the stream.
    first: First position in the stream.
    size: Number of examples, B.
  """
  # isinstance(source, Drawn) takes 25 us, in every step.
  draw = getattr(source, 'draw', None)
  if draw is not None:
    return weighted(draw(seed, first, size), size)
  return weighted(source[stream(len(source), seed, first, size)], size)


def eval_batches(
  source: Source,
  size: int,
  limit: int | None = None,
  rows: slice = slice(None),
) -> Iterator[Batch]:
  """Yield the batches of one ordered pass over a source.

  All batches have the same shapes: the last example, with weight zero, fills
  the last batch.

  Args:
    source: The examples.
    size: Examples per batch, over all hosts.
    limit: Number of examples to read; None reads all.
    rows: Part of every batch that this host reads.
  """
  total = len(source) if limit is None else min(len(source), limit)
  for start in range(0, total, size):
    real = min(size, total - start)
    indices = np.minimum(np.arange(start, start + size), total - 1)[rows]
    yield weighted(source[indices], real - (rows.start or 0))


def weighted(rows: dict[str, np.ndarray], real: int) -> Batch:
  """Add 'weights' [B]: one for the first `real` examples, then zero."""
  size = len(next(iter(rows.values())))
  return rows | {WEIGHTS: (np.arange(size) < real).astype(np.float32)}
