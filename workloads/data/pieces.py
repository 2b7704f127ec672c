"""Files with the tokens of texts, next to the records of their dataset.

Every split has two files of 16-bit numbers, little-endian. The first contains
the tokens of all examples in sequence (in translations German before English),
the second the number of tokens of every text. The same folder has the
SentencePiece model and the text of its pieces: training can convert tokens to
text without SentencePiece.
"""

import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from workloads.data.manifest import DataError

MODEL = 'pieces.model'
TEXT = 'pieces.json'
NUMBER = '<u2'  # numpy type of the files.
LIMIT = 256  # Maximum tokens of a text with its end; longer ones are left out.
SIDES = ('de', 'en')  # Languages of a translation.


class Texts(NamedTuple):
  """Tokens of one split with N examples of S texts each."""

  tokens: np.ndarray  # [T], memory-mapped: read on access.
  lengths: np.ndarray  # [N, S]: tokens of every text.


def save(
  folder: pathlib.Path, split: str, examples: Iterable[Sequence[list[int]]]
) -> int:
  """Write the tokens of a split and return the number of examples.

  Args:
    folder: Folder of the dataset.
    split: Name of the split.
    examples: Tokens of the S texts of each example; S is the same for all.
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
  """Return the tokens of a split.

  Args:
    folder: Folder of the dataset.
    split: Name of the split.
    sides: Texts of every example, S.

  Raises:
    DataError: The files are empty or do not belong together.
  """
  tokens, lengths = _paths(folder, split)
  sizes = np.fromfile(lengths, NUMBER).reshape(-1, sides)
  total = int(sizes.sum(dtype=np.int64))
  if not total:
    raise DataError(f'{lengths} has no texts. Prepare {folder} again.')
  numbers = np.memmap(tokens, NUMBER, 'r')
  if len(numbers) != total:
    raise DataError(
      f'{tokens} has {len(numbers)} tokens; {lengths} requires {total}. '
      f'Prepare {folder} again.'
    )
  return Texts(np.asarray(numbers), sizes)


def text(folder: pathlib.Path, vocab: int) -> tuple[str, ...]:
  """Return the text of `vocab` pieces; '▁' is a space before a word.

  A small dataset has fewer pieces than `vocab`. The missing pieces, which a
  model may still predict, get the text of the unknown piece.
  """
  found = tuple(json.loads((folder / TEXT).read_text(encoding='utf-8')))
  return found + found[:1] * (vocab - len(found))


def _paths(
  folder: pathlib.Path, split: str
) -> tuple[pathlib.Path, pathlib.Path]:
  return folder / f'tokens-{split}.bin', folder / f'lengths-{split}.bin'
