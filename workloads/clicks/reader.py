"""Criteo's click logs, as they were prepared: rows that are read by number.

Training reads blocks of consecutive rows, in a fresh order every epoch: disks
read 116 kB at once, and the order of 4.2 billion rows takes 33 MB of memory.
Blocks begin elsewhere every epoch. The rows of 256 blocks that follow each
other are shuffled as well, so that small batches have rows of many blocks. Each
row comes once an epoch. AlgoPerf shuffles files of five million lines, and
reads each from its first line to its last: lines of the same hour, which are
alike, follow each other for 19 batches.
"""

import bisect
import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Iterator

import numpy as np

from workloads import data
from workloads.clicks import row_format
from workloads.data import DataError
from workloads.data.threads import cores, pool

Rows = dict[str, np.ndarray]
WITHIN = 4  # Stream of random numbers that orders rows, not blocks.


@dataclasses.dataclass(frozen=True)
class Part:
  """Rows of a file that follow each other."""

  path: pathlib.Path
  first: int
  count: int


@dataclasses.dataclass(frozen=True)
class Logs:
  """A source of rows of several files."""

  parts: tuple[Part, ...]
  block: int = 1024  # Rows that are read at once.
  window: int = 256  # Blocks whose rows are shuffled together.
  threads: int | None = None  # As many as there are cores.
  ahead = 2

  def __len__(self) -> int:
    return sum(part.count for part in self.parts)

  def __getitem__(self, indices) -> Rows:  # pyrefly: ignore
    numbers, places = np.unique(indices, return_inverse=True)
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    edges = [0, *breaks.tolist(), len(numbers)]
    runs = [
      (int(numbers[start]), min(self.block, end - start))
      for first, end in itertools.pairwise(edges)
      for start in range(first, end, self.block)
    ]
    inputs, targets = self._read(runs, np.arange(len(numbers)))
    return {'inputs': inputs[places], 'targets': targets[places]}

  def draw(self, seed: int, first: int, count: int) -> Rows:
    """As workload.Drawn."""
    drawn, size = [], self.block * self.window
    while count:
      epoch, position = divmod(first, len(self))
      number, skip = divmod(position, size)
      inputs, targets = _window(self, seed, epoch, number)
      part = slice(skip, skip + count)
      drawn.append((inputs[part], targets[part]))
      got = len(drawn[-1][1])
      first, count = first + got, count - got
    inputs, targets = map(np.concatenate, zip(*drawn, strict=True))
    return {'inputs': inputs, 'targets': targets}

  def _read(
    self, runs: list[tuple[int, int]], places: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Decoded rows of runs, each a first row and a count, at their places."""
    width = row_format.DENSE + len(row_format.COLUMNS)
    inputs = np.empty((len(places), width), np.float32)
    targets = np.empty(len(places), np.float32)
    starts = [0, *itertools.accumulate(count for _, count in runs)]

    def read(run: int) -> None:
      first, count = runs[run]
      put = places[starts[run] : starts[run + 1]]
      inputs[put], targets[put] = row_format.decoded(self._stored(first, count))

    for _ in pool(self.threads or cores()).map(read, range(len(runs))):
      pass  # Raises what a thread has raised.
    return inputs, targets

  def _stored(self, first: int, count: int) -> np.ndarray:
    """Rows as they are stored; behind the last comes the first."""
    pieces = [_stored(*piece) for piece in self._pieces(first, count)]
    return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]

  def _pieces(self, first: int, count: int) -> Iterator[tuple]:
    """Path, first row in it and count of what lies in one file."""
    ends = list(itertools.accumulate(part.count for part in self.parts))
    while count:
      first %= ends[-1]
      number = bisect.bisect_right(ends, first)
      part, left = self.parts[number], ends[number] - first
      here = min(left, count)
      yield part.path, part.first + part.count - left, here
      first, count = first + here, count - here


def source(workload: str, split: str, data_dir: str | None) -> Logs:
  """A split of the prepared logs.

  Args:
    workload: Whose data.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.

  Raises:
    ValueError: they are not there, or not as they were prepared.
  """
  [place] = data.find(workload, data_dir).values()
  paths = [row_format.path(place, day) for day in range(row_format.DAYS)]
  if split == 'train':
    return Logs(
      tuple(Part(path, 0, row_format.count(path)) for path in paths[:-1])
    )
  last = row_format.count(paths[-1])
  test = row_format.tested(last)
  first, count = {'test': (0, test), 'validation': (test, last - test)}[split]
  return Logs((Part(paths[-1], first, count),))


@functools.lru_cache(maxsize=2)
def _window(
  logs: Logs, seed: int, epoch: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
  """Rows of an epoch, shuffled; all windows but the last are as long.

  Kept, as several batches may come of it.
  """
  size = len(logs)
  shift, order = _blocks(size, logs.block, seed, epoch)
  blocks = order[number * logs.window : (number + 1) * logs.window].tolist()
  runs = [
    ((block * logs.block + shift) % size,
     min(logs.block, size - block * logs.block))
    for block in blocks
  ]  # fmt: skip
  rng = np.random.default_rng([seed, epoch, number, WITHIN])
  places = rng.permutation(sum(count for _, count in runs))
  return logs._read(runs, places)


@functools.lru_cache(maxsize=2)
def _blocks(
  size: int, block: int, seed: int, epoch: int
) -> tuple[int, np.ndarray]:
  """The row where block 0 begins, and the order of blocks in an epoch.

  The last block, if it is shorter, comes last: the rows in it are others every
  epoch.
  """
  rng = np.random.default_rng([seed, epoch])
  shift = int(rng.integers(size))
  whole, rest = divmod(size, block)
  order = rng.permutation(whole)
  return shift, np.append(order, whole) if rest else order


def _stored(path: pathlib.Path, first: int, count: int) -> np.ndarray:
  try:
    found = np.fromfile(
      path, row_format.ROW, count, offset=first * row_format.ROW.itemsize
    )
  except OSError as error:
    raise DataError(f'{path} cannot be read: {error}.') from error
  if len(found) != count:
    raise DataError(
      f'{path} ends in row {first + len(found)}, and had more rows when this '
      'trial began.'
    )
  return found
