"""Text in tokens, cut into sequences: where they lie, and how they are read.

Of every split some files of 16-bit numbers, little-endian: sequences of 1,025
tokens one after another, 2**18 in a file and fewer in the last one.
"""

import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from workloads.data.manifest import DataError

LENGTH = 1025  # What is read and, one later, what is to be told: 1,024 each.
SHARD = 2**18  # Sequences of a file.
# The first ones validate, as AlgoPerf says; what it reads are 96 more, to fill
# its last batch of 256.
VALIDATION = 100_000
NUMBER = '<u2'  # Type of what the files hold.


class Sequences(NamedTuple):
  """Of one split; read from the disk when they are looked at."""

  shards: list[np.ndarray]  # Each [SHARD, LENGTH], but for the last one.

  def __len__(self) -> int:
    return sum(map(len, self.shards))

  def take(self, indices) -> np.ndarray:
    """Sequences [len(indices), LENGTH] int32."""
    rows = np.empty((len(indices), LENGTH), np.int32)
    for row, index in zip(rows, indices, strict=True):
      row[:] = self.shards[index // SHARD][index % SHARD]
    return rows


def save(folder: pathlib.Path, split: str, parts: Iterable[np.ndarray]) -> None:
  """Writes the tokens of all parts in a row; drops what fills no sequence.

  Args:
    folder: Has no files of this split.
    split: Of which.
    parts: Tokens [T], many at a time: each is written at once.
  """
  total = 0
  for part in parts:
    rest = part
    while len(rest):
      number, used = divmod(total, SHARD * LENGTH)
      now, rest = np.split(rest, [SHARD * LENGTH - used])
      with _path(folder, split, number).open('ab') as file:
        file.write(now.astype(NUMBER).tobytes())
      total += len(now)
  if surplus := total % LENGTH:
    last = _path(folder, split, total // (SHARD * LENGTH))
    os.truncate(last, last.stat().st_size - surplus * np.dtype(NUMBER).itemsize)
    if not last.stat().st_size:
      last.unlink()


def load(folder: pathlib.Path, split: str) -> Sequences:
  """The sequences of a split.

  Raises:
    DataError: a file is missing, or has not as many as it must.
  """
  paths = sorted(folder.glob(f'tokens-{split}-*.bin'))
  shards = []
  for number, path in enumerate(paths):
    tokens = np.memmap(path, NUMBER, 'r')
    whole = len(tokens) == SHARD * LENGTH
    last = number == len(paths) - 1 and not len(tokens) % LENGTH
    if path != _path(folder, split, number) or not (whole or last):
      raise DataError(
        f'{path} has {len(tokens)} tokens; it is file {number} of {len(paths)} '
        f'of {split}. Prepare {folder} again.'
      )
    shards.append(np.asarray(tokens).reshape(-1, LENGTH))
  if not shards:
    raise DataError(f'{folder} has no sequences of {split}. Prepare it again.')
  return Sequences(shards)


def _path(folder: pathlib.Path, split: str, number: int) -> pathlib.Path:
  return folder / f'tokens-{split}-{number:05}.bin'
