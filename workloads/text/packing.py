"""Sentence pairs in rows of a fixed length, several pairs per training row.

Packing follows AlgoPerf (Dahl et al. 2023, arXiv:2306.07179). Every group of
256 consecutive pairs starts with an empty row. A pair is added to the current
row if both languages have room, and otherwise starts the next row. The order
differs from AlgoPerf, which shuffles 1,024 pairs at a time: here every epoch is
a permutation of all pairs. The last group of an epoch may be smaller.

The number of rows of an epoch depends on its order. Finding a row by its number
needs these counts for all earlier epochs, which are computed once.
"""

import dataclasses
import functools
from typing import ClassVar, NamedTuple

import numpy as np

from workloads import data
from workloads.batches import stream
from workloads.data import manifest, pieces
from workloads.data.manifest import DataError
from workloads.data.pieces import Texts

GROUP = 256  # Pairs that are packed together.
SIDES = ('inputs', 'targets')
Rows = dict[str, np.ndarray]


class Epoch(NamedTuple):
  """Order of an epoch's N pairs, cut into R rows."""

  order: np.ndarray  # [N] int32.
  bounds: np.ndarray  # [R + 1]: row r is order[bounds[r] : bounds[r + 1]].


@dataclasses.dataclass(frozen=True, eq=False)
class Packed:
  """A source of sentence pairs; drawn rows contain several pairs."""

  pairs: Texts
  length: int  # Tokens of a row, L; no text is longer.
  starts: np.ndarray  # [N, 2]: first token of both texts of every pair.

  ahead: ClassVar[int] = 2

  def __len__(self) -> int:
    return len(self.pairs.lengths)

  def __getitem__(self, indices) -> Rows:  # pyrefly: ignore
    """Return rows with one pair each."""
    return self._rows(np.asarray(indices), np.ones(len(indices), int))

  def draw(self, seed: int, first: int, count: int) -> Rows:
    """See workload.Drawn; positions count rows."""
    number = 0
    while first >= (size := _size(self, seed, number)):
      first, number = first - size, number + 1
    pairs, sizes = [], []
    while count:
      order, bounds = _epoch(self, seed, number)
      cut = bounds[first : first + count + 1]
      pairs.append(order[cut[0] : cut[-1]])
      sizes.append(np.diff(cut))
      count -= len(cut) - 1
      first, number = 0, number + 1
    return self._rows(np.concatenate(pairs), np.concatenate(sizes))

  def _rows(self, pairs: np.ndarray, sizes: np.ndarray) -> Rows:
    """Return rows with the first sizes[0] pairs, the next sizes[1], ..."""
    rows: Rows = {}
    for side, name in enumerate(SIDES):
      rows |= self._columns(name, pairs, sizes, side)
    return rows

  def _columns(
    self, name: str, pairs: np.ndarray, sizes: np.ndarray, side: int
  ) -> Rows:
    """Return tokens, positions and segments of a language, each [rows, L]."""
    lengths = self.pairs.lengths[pairs, side].astype(int)
    heads = np.cumsum(sizes) - sizes  # First pair of every row.
    row = np.repeat(np.arange(len(sizes)), sizes)  # Row of every pair.
    before = np.cumsum(lengths) - lengths
    offset = before - before[heads][row]  # Start of every pair in its row.
    pair = np.repeat(np.arange(len(pairs)), lengths)  # Pair of every token.
    within = np.arange(len(pair)) - before[pair]
    here = row[pair], offset[pair] + within
    tokens = self.pairs.tokens[self.starts[pairs, side][pair] + within]
    segment = 1 + np.arange(len(pairs)) - heads[row]
    columns = {
      name: tokens,
      f'{name}_position': within,
      f'{name}_segmentation': segment[pair],
    }
    rows = {}
    for column, values in columns.items():
      rows[column] = np.zeros((len(sizes), self.length), np.int32)
      rows[column][here] = values
    return rows


def source(
  workload: str, split: str, data_dir: str | None, length: int
) -> Packed:
  """Return a split of published pairs: WMT17 to train, else WMT14.

  Args:
    workload: Name of the workload.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    length: Tokens of a row.

  Raises:
    ValueError: The data are missing, have changed since their preparation, or
      come from different SentencePiece models.
  """
  trained, tested = data.find(workload, data_dir).values()
  models = [
    manifest.load(place).files[pieces.MODEL]['sha256']
    for place in (trained, tested)
  ]
  if models[0] != models[1]:
    raise DataError(
      f'{trained} and {tested} have tokens of different SentencePiece models. '
      'Remove the second and prepare it again.'
    )
  place = trained if split == 'train' else tested
  return packed(pieces.load(place, split, len(SIDES)), length)


def packed(pairs: Texts, length: int) -> Packed:
  """Return a source of pairs in rows of `length` tokens."""
  ends = np.cumsum(pairs.lengths.ravel(), dtype=np.int64)
  starts = ends.reshape(-1, 2) - pairs.lengths
  return Packed(pairs, length, starts)


def bounds(lengths: np.ndarray, room: int) -> np.ndarray:
  """Cut a stream of pairs into rows.

  Args:
    lengths: Tokens of both texts of every pair, [N, 2].
    room: Tokens of a row.

  Returns:
    The first pair of every row, and N: [R + 1].
  """
  groups = -(-len(lengths) // GROUP)
  sizes = np.zeros((groups * GROUP, 2), np.int32)
  sizes[: len(lengths)] = lengths
  # All groups are packed in parallel, pair by pair: [GROUP, 2, groups].
  sizes = np.ascontiguousarray(sizes.reshape(groups, GROUP, 2).T.swapaxes(0, 1))
  starts = np.ones((GROUP, groups), bool)
  filled = sizes[0]
  for n in range(1, GROUP):
    grown = filled + sizes[n]
    starts[n] = (grown > room).any(axis=0)
    filled = np.where(starts[n], sizes[n], grown)
  found = np.flatnonzero(starts.T.ravel()[: len(lengths)])
  return np.append(found, len(lengths))


@functools.lru_cache(maxsize=2)
def _epoch(packed: Packed, seed: int, number: int) -> Epoch:
  count = len(packed)
  order = stream(count, seed, number * count, count).astype(np.int32)
  return Epoch(order, bounds(packed.pairs.lengths[order], packed.length))


@functools.lru_cache(maxsize=1024)
def _size(packed: Packed, seed: int, number: int) -> int:
  """Return the number of rows of an epoch."""
  return len(_epoch(packed, seed, number).bounds) - 1
