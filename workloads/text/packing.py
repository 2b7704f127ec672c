"""Sentence pairs in rows of one length: several in a row to train on.

Packed as AlgoPerf packs them (Dahl et al. 2023, arXiv:2306.07179): of 256 pairs
in a row of the stream, one after another is put into a row while both of its
sides have room there; the next ones start from an empty row. The stream is
another one: AlgoPerf's shuffles 1,024 pairs at a time, here every epoch is a
permutation of all of them, and its last pairs, fewer than 256, are packed by
themselves.

How many rows an epoch has depends on its order. So that any row can be made
without those before it, the rows of earlier epochs are counted, once.
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

GROUP = 256  # Pairs that share rows with no others.
SIDES = ('inputs', 'targets')
Rows = dict[str, np.ndarray]


class Epoch(NamedTuple):
  """The order of an epoch's pairs, cut into rows."""

  order: np.ndarray  # [N] int32.
  bounds: np.ndarray  # [R + 1]: row r has the pairs from bounds[r] on.


@dataclasses.dataclass(frozen=True, eq=False)
class Packed:
  """A source: examples are pairs, and drawn rows hold several of them."""

  pairs: Texts
  length: int  # Of a row, L; no side of a pair is longer.
  starts: np.ndarray  # [N, 2]: where the sides of pairs start.

  ahead: ClassVar[int] = 2

  def __len__(self) -> int:
    return len(self.pairs.lengths)

  def __getitem__(self, indices) -> Rows:  # pyrefly: ignore
    """One pair a row."""
    return self._rows(np.asarray(indices), np.ones(len(indices), int))

  def draw(self, seed: int, first: int, count: int) -> Rows:
    """As workload.Drawn; positions are those of rows."""
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
    """Rows of the first sizes[0] pairs, the next sizes[1], ..."""
    rows: Rows = {}
    for side, name in enumerate(SIDES):
      rows |= self._columns(name, pairs, sizes, side)
    return rows

  def _columns(
    self, name: str, pairs: np.ndarray, sizes: np.ndarray, side: int
  ) -> Rows:
    """Tokens, positions and segments of a side, each [len(sizes), L]."""
    lengths = self.pairs.lengths[pairs, side].astype(int)
    heads = np.cumsum(sizes) - sizes  # The first pair of every row,
    row = np.repeat(np.arange(len(sizes)), sizes)  # and the row of every pair.
    before = np.cumsum(lengths) - lengths
    offset = before - before[heads][row]  # Where it starts in its row.
    pair = np.repeat(np.arange(len(pairs)), lengths)  # Of every token.
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
  """A split of published pairs: WMT17's train, WMT14's are looked at.

  Args:
    workload: Whose dataset.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    length: Of a row, in tokens.

  Raises:
    ValueError: they are not there, or not as they were prepared, or their
      tokens do not mean the same.
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
  """A source of pairs, in rows of that many tokens."""
  ends = np.cumsum(pairs.lengths.ravel(), dtype=np.int64)
  starts = ends.reshape(-1, 2) - pairs.lengths
  return Packed(pairs, length, starts)


def bounds(lengths: np.ndarray, room: int) -> np.ndarray:
  """Cuts a stream of pairs into rows: the first pair of each, and the end.

  Args:
    lengths: Of both sides of every pair, [N, 2].
    room: For the tokens of a side in a row.
  """
  groups = -(-len(lengths) // GROUP)
  sizes = np.zeros((groups * GROUP, 2), np.int32)
  sizes[: len(lengths)] = lengths
  # One pair of every group after the other: [GROUP, 2, groups].
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
  """Rows of an epoch."""
  return len(_epoch(packed, seed, number).bounds) - 1
