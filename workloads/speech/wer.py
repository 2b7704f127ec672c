"""Transcripts: from word pieces to words, and the rate of errors in words."""

from collections.abc import Iterable, Sequence

import numpy as np

EOS = 2  # As SentencePiece numbers it; 0 is unknown, and padding here.
START = '▁'  # Marks a piece that starts a word.


def text(
  ids: Iterable[int], pieces: Sequence[str], *, whole: bool = False
) -> str:
  """The words that pieces spell, up to the end mark or the padding.

  Args:
    ids: Numbers of pieces, [L].
    pieces: Text of every piece.
    whole: Spell what follows an end mark too, and keep spaces at the end. So
      does SentencePiece, and with it AlgoPerf's word error rate.
  """
  spelt = []
  for number in ids:
    if number == 0 or (number == EOS and not whole):
      break
    spelt.append('' if number == EOS else pieces[number])
  words = ''.join(spelt).replace(START, ' ')
  return words.lstrip() if whole else words.strip()


def word_error_rate(
  hypotheses: Sequence[str],
  references: Sequence[str],
  *,
  as_algoperf: bool = False,
) -> float:
  """Edits that turn all hypotheses into their references, per reference word.

  An edit puts in, takes out or replaces a word. Rates may exceed one.

  Args:
    hypotheses: What was heard, one text an utterance.
    references: What was said.
    as_algoperf: Compare the texts as TensorFlow prints them, by which the first
      and the last word have company, and every reference has two words more.
  """
  if as_algoperf:
    hypotheses = [_printed(hypothesis) for hypothesis in hypotheses]
    references = [_printed(reference) for reference in references]
  said = [reference.split() for reference in references]
  heard = [hypothesis.split() for hypothesis in hypotheses]
  words = sum(map(len, said))
  return float(_distances(heard, said).sum() / max(words, 1))


def _printed(words: str) -> str:
  """A scalar tensor as a string; Python quotes apostrophes in its own way."""
  return f'tf.Tensor({words.encode()!r}, shape=(), dtype=string)'


def _distances(
  heard: Sequence[list[str]], said: Sequence[list[str]]
) -> np.ndarray:
  """Levenshtein's distances [N] between lists of words, all at once.

  Wagner and Fischer 1974, "The String-to-String Correction Problem": row i
  holds the distances of the first i words heard to the first j said, j = 0..J.
  """
  numbers: dict[str, int] = {}
  a, a_sizes = _numbered(heard, numbers)  # [N, I]
  b, b_sizes = _numbered(said, numbers)  # [N, J]
  at = np.arange(b.shape[1] + 1)[None]  # [1, J + 1]
  row = np.repeat(at, len(b), axis=0)  # [N, J + 1]
  for i in range(a.shape[1]):
    below = row + 1
    replaced = row[:, :-1] + (a[:, i : i + 1] != b)
    below[:, 1:] = np.minimum(below[:, 1:], replaced)
    # Words put in cost one each: a running minimum over where they begin.
    below = np.minimum.accumulate(below - at, axis=1) + at
    row = np.where((i < a_sizes)[:, None], below, row)
  return row[np.arange(len(row)), b_sizes]


def _numbered(
  texts: Sequence[list[str]], numbers: dict[str, int]
) -> tuple[np.ndarray, np.ndarray]:
  """Words as numbers [N, longest], new ones added to numbers; and sizes [N]."""
  sizes = np.array([len(words) for words in texts], np.int64)
  table = np.full((len(texts), sizes.max(initial=0)), -1)
  for row, words in zip(table, texts, strict=True):
    row[: len(words)] = [numbers.setdefault(w, len(numbers)) for w in words]
  return table, sizes
