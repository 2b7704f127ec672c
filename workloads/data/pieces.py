"""Where the tokens of texts lie, beside the records that these come from.

Of every split two files of 16-bit numbers, little-endian: the tokens of all
examples, one after another (of translations German before English); and how
many these are, a number for every text of an example. Beside them the
SentencePiece model they come from, and the text of its pieces, so that training
needs no library to turn numbers into text.
"""

import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from workloads.data.manifest import DataError

MODEL = 'pieces.model'
TEXT = 'pieces.json'
NUMBER = '<u2'  # Type of what the files hold.
LIMIT = 256  # Most tokens of a text, its end included; others are left out.
SIDES = ('de', 'en')  # Texts of a translation.


class Texts(NamedTuple):
  """Of one split."""

  tokens: np.ndarray  # [T], mapped: read when they are looked at.
  lengths: np.ndarray  # [N, S], of the S texts of every example.


def save(
  folder: pathlib.Path, split: str, examples: Iterable[Sequence[list[int]]]
) -> int:
  """Writes the tokens of the texts of examples; how many examples there were.

  All examples have as many texts.
  """
  tokens, lengths = _paths(folder, split)
  count = 0
  with tokens.open('wb') as numbers, lengths.open('wb') as sizes:
    for texts in examples:
      for text in texts:
        numbers.write(np.array(text, NUMBER).tobytes())
      sizes.write(np.array([len(text) for text in texts], NUMBER).tobytes())
      count += 1
  return count


def load(folder: pathlib.Path, split: str, sides: int) -> Texts:
  """The tokens of a split whose examples have that many texts.

  Raises:
    DataError: the files do not belong together.
  """
  tokens, lengths = _paths(folder, split)
  sizes = np.fromfile(lengths, NUMBER).reshape(-1, sides)
  total = int(sizes.sum(dtype=np.int64))
  if not total:
    raise DataError(f'{lengths} has no texts. Prepare {folder} again.')
  numbers = np.memmap(tokens, NUMBER, 'r')
  if len(numbers) != total:
    raise DataError(
      f'{tokens} has {len(numbers)} tokens; by {lengths} they are {total}. '
      f'Prepare {folder} again.'
    )
  return Texts(np.asarray(numbers), sizes)


def text(folder: pathlib.Path, vocab: int) -> tuple[str, ...]:
  """Of `vocab` pieces; '▁' is a space before a word.

  A model may say the numbers of pieces that few texts do not have: unknown.
  """
  found = tuple(json.loads((folder / TEXT).read_text(encoding='utf-8')))
  return found + found[:1] * (vocab - len(found))


def _paths(
  folder: pathlib.Path, split: str
) -> tuple[pathlib.Path, pathlib.Path]:
  return folder / f'tokens-{split}.bin', folder / f'lengths-{split}.bin'
