"""Source of Criteo's prepared click logs, read by row number.

Training reads blocks of consecutive rows in a new order every epoch. A read is
116 kB, and the order of 4.2 billion rows takes 33 MB of memory. The blocks have
other boundaries in every epoch. The rows of 256 consecutive blocks are shuffled
together: small batches contain rows of many blocks. Each row occurs once per
epoch. AlgoPerf shuffles files of five million lines and reads each file in
order: 19 consecutive batches have similar lines, from the same hour.
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
WITHIN = 4  # Kind of random numbers that order rows, not blocks.


@dataclasses.dataclass(frozen=True)
class Part:
  """Consecutive rows of a file."""

  path: pathlib.Path
  first: int
  count: int


@dataclasses.dataclass(frozen=True)
class Logs:
  """A source of rows of several files."""

  parts: tuple[Part, ...]
  block: int = 1024  # Rows per read.
  window: int = 256  # Blocks whose rows are shuffled together.
  threads: int | None = None  # One per core if None.
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
    """See workload.Drawn."""
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
    """Read runs (first row, count) and put their rows at places [N]."""
    width = row_format.DENSE + len(row_format.COLUMNS)
    inputs = np.empty((len(places), width), np.float32)
    targets = np.empty(len(places), np.float32)
    starts = [0, *itertools.accumulate(count for _, count in runs)]

    def read(run: int) -> None:
      first, count = runs[run]
      put = places[starts[run] : starts[run + 1]]
      inputs[put], targets[put] = row_format.decoded(self._stored(first, count))

    for _ in pool(self.threads or cores()).map(read, range(len(runs))):
      pass  # Iterating raises the threads' errors.
    return inputs, targets

  def _stored(self, first: int, count: int) -> np.ndarray:
    """Return stored rows; the first row follows the last row."""
    pieces = [_stored(*piece) for piece in self._pieces(first, count)]
    return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]

  def _pieces(self, first: int, count: int) -> Iterator[tuple]:
    """Yield path, first row and count for each file of a range of rows."""
    ends = list(itertools.accumulate(part.count for part in self.parts))
    while count:
      first %= ends[-1]
      number = bisect.bisect_right(ends, first)
      part, left = self.parts[number], ends[number] - first
      here = min(left, count)
      yield part.path, part.first + part.count - left, here
      first, count = first + here, count - here


def source(workload: str, split: str, data_dir: str | None) -> Logs:
  """Return a split of the prepared logs.

  Args:
    workload: Name of the workload.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.

  Raises:
    ValueError: The data are missing, or have changed since their preparation.
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
  """Return the shuffled rows of one window of an epoch.

  All windows but the last have the same size. The cache serves several batches
  of one window.
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
  """Return the first row of block 0, and the order of blocks in an epoch.

  A shorter last block stays last. The random first row of block 0 gives this
  block other rows in every epoch.
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
    raise DataError(
      f'{path} cannot be read: {error}. Prepare the dataset again.'
    ) from error
  if len(found) != count:
    raise DataError(
      f'{path} ends in row {first + len(found)}, and had more rows when this '
      'trial began. Prepare the dataset again, and restart the trial.'
    )
  return found
