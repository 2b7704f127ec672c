"""Files with sequences of tokens.

Every split has several files of 16-bit numbers, little-endian. A file contains
2**18 sequences of 1,025 tokens each; the last file may have fewer.
"""

import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from workloads.data.manifest import DataError

LENGTH = 1025  # Tokens: 1,024 inputs and, one later, 1,024 targets.
SHARD = 2**18  # Sequences per file.
# AlgoPerf's number of validation sequences. AlgoPerf reads 96 more to fill its
# last batch of 256.
VALIDATION = 100_000
NUMBER = '<u2'  # numpy type of the files.


class Sequences(NamedTuple):
  """Sequences of one split, read from disk on access."""

  shards: list[np.ndarray]  # [SHARD, LENGTH] each; the last may be shorter.

  def __len__(self) -> int:
    return sum(map(len, self.shards))

  def take(self, indices) -> np.ndarray:
    """Return sequences [len(indices), LENGTH] int32."""
    rows = np.empty((len(indices), LENGTH), np.int32)
    for row, index in zip(rows, indices, strict=True):
      row[:] = self.shards[index // SHARD][index % SHARD]
    return rows


def save(folder: pathlib.Path, split: str, parts: Iterable[np.ndarray]) -> None:
  """Write the tokens of all parts; drop the last incomplete sequence.

  Args:
    folder: Folder of the dataset, without files of this split.
    split: Name of the split.
    parts: Arrays of tokens [T]; larger arrays are faster to write.
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
  """Return the sequences of a split.

  Raises:
    DataError: A file is missing or has a wrong number of tokens.
  """
  paths = sorted(folder.glob(f'tokens-{split}-*.bin'))
  shards = []
  for number, path in enumerate(paths):
    tokens = np.memmap(path, NUMBER, 'r')
    whole = len(tokens) == SHARD * LENGTH
    last = number == len(paths) - 1 and not len(tokens) % LENGTH
    if path != _path(folder, split, number) or not (whole or last):
      raise DataError(
        f'{path} has {len(tokens)} tokens, which is wrong for file {number} '
        f'of {len(paths)} of {split}. Prepare {folder} again.'
      )
    shards.append(np.asarray(tokens).reshape(-1, LENGTH))
  if not shards:
    raise DataError(
      f'{folder} has no sequences of {split}. Prepare the folder again.'
    )
  return Sequences(shards)


def _path(folder: pathlib.Path, split: str, number: int) -> pathlib.Path:
  return folder / f'tokens-{split}-{number:05}.bin'
