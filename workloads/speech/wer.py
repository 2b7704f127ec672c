"""Transcripts of word pieces, and their word error rate."""

from collections.abc import Iterable, Sequence

import numpy as np

EOS = 2  # SentencePiece's end mark; 0 is unknown, and here padding.
START = '▁'  # Marks a piece that starts a word.


def text(
  ids: Iterable[int], pieces: Sequence[str], *, whole: bool = False
) -> str:
  """Return the text of pieces up to the end mark or the padding.

  Args:
    ids: Numbers of pieces, [L].
    pieces: Text of every piece.
    whole: Keeps pieces after an end mark, and final spaces, as SentencePiece
      and AlgoPerf's word error rate do.
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
  """Return the edits from hypotheses to references, per reference word.

  An edit inserts, removes or replaces a word. The rate may exceed 1.

  Args:
    hypotheses: Recognized text of every utterance.
    references: Correct text of every utterance.
    as_algoperf: Compares printed TensorFlow tensors: the first and last word
      have extra characters, and every reference has two more words.
  """
  if as_algoperf:
    hypotheses = [_printed(hypothesis) for hypothesis in hypotheses]
    references = [_printed(reference) for reference in references]
  said = [reference.split() for reference in references]
  heard = [hypothesis.split() for hypothesis in hypotheses]
  words = sum(map(len, said))
  return float(_distances(heard, said).sum() / max(words, 1))


def _printed(words: str) -> str:
  """Return the printed tensor; Python's quotes depend on apostrophes."""
  return f'tf.Tensor({words.encode()!r}, shape=(), dtype=string)'


def _distances(
  heard: Sequence[list[str]], said: Sequence[list[str]]
) -> np.ndarray:
  """Return Levenshtein distances [N] between lists of words, vectorized.

  Wagner and Fischer 1974, "The String-to-String Correction Problem". Row i has
  the distances of the first i recognized words to the first j correct words,
  j = 0..J.
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
    # Inserted words cost 1 each: a running minimum over their first position.
    below = np.minimum.accumulate(below - at, axis=1) + at
    row = np.where((i < a_sizes)[:, None], below, row)
  return row[np.arange(len(row)), b_sizes]


def _numbered(
  texts: Sequence[list[str]], numbers: dict[str, int]
) -> tuple[np.ndarray, np.ndarray]:
  """Return words as numbers [N, longest], and sizes [N]; extend `numbers`."""
  sizes = np.array([len(words) for words in texts], np.int64)
  table = np.full((len(texts), sizes.max(initial=0)), -1)
  for row, words in zip(table, texts, strict=True):
    row[: len(words)] = [numbers.setdefault(w, len(numbers)) for w in words]
  return table, sizes
