"""Where the tokens of a translation dataset lie, beside its records.

Of every split two files of 16-bit numbers, little-endian: the tokens of all
pairs, German before English, one after another; and how many these are, two
numbers a pair. Beside them the SentencePiece model they come from, and the text
of its pieces, so that training needs no library to turn numbers into text.
"""

import json
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from workloads.data.manifest import DataError

MODEL = 'pieces.model'
TEXT = 'pieces.json'
NUMBER = '<u2'  # Type of what the files hold.
LIMIT = 256  # Most tokens of a side, its end included; others are left out.
SIDES = ('de', 'en')


class Pairs(NamedTuple):
  """Of one split."""

  tokens: np.ndarray  # [T], mapped: read when they are looked at.
  lengths: np.ndarray  # [N, 2], of the German and the English sides.


def save(
  folder: pathlib.Path, split: str, pairs: Iterable[list[list[int]]]
) -> int:
  """Writes pairs of two lists of tokens; how many there were."""
  tokens, lengths = _paths(folder, split)
  count = 0
  with tokens.open('wb') as numbers, lengths.open('wb') as sizes:
    for pair in pairs:
      for side in pair:
        numbers.write(np.array(side, NUMBER).tobytes())
      sizes.write(np.array([len(side) for side in pair], NUMBER).tobytes())
      count += 1
  return count


def load(folder: pathlib.Path, split: str) -> Pairs:
  """The tokens of a split.

  Raises:
    DataError: the files do not belong together.
  """
  tokens, lengths = _paths(folder, split)
  sizes = np.fromfile(lengths, NUMBER).reshape(-1, 2)
  total = int(sizes.sum(dtype=np.int64))
  if not total:
    raise DataError(f'{lengths} has no pairs. Prepare {folder} again.')
  numbers = np.memmap(tokens, NUMBER, 'r')
  if len(numbers) != total:
    raise DataError(
      f'{tokens} has {len(numbers)} tokens; by {lengths} they are {total}. '
      f'Prepare {folder} again.'
    )
  return Pairs(np.asarray(numbers), sizes)


def text(folder: pathlib.Path) -> tuple[str, ...]:
  """Of every piece; '▁' is a space before a word."""
  return tuple(json.loads((folder / TEXT).read_text('utf-8')))


def _paths(
  folder: pathlib.Path, split: str
) -> tuple[pathlib.Path, pathlib.Path]:
  return folder / f'tokens-{split}.bin', folder / f'lengths-{split}.bin'
