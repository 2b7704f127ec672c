"""Corpus BLEU, the share of correct word sequences in translations.

Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine
Translation"; Post 2018, "A Call for Clarity in Reporting BLEU Scores",
arXiv:1804.08771. Post's sacrebleu counts sequences of up to four words,
tokenized by '13a', with case, in percent.
"""

from collections.abc import Sequence

import numpy as np


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
  """Return BLEU, from 0 to 100, with one reference for each hypothesis."""
  import sacrebleu  # noqa: PLC0415  Slow to import, needed late.

  # `force` hides warnings: outputs of untrained models often look tokenized.
  score = sacrebleu.corpus_bleu(hypotheses, [references], force=True)
  return float(score.score)


def sentence(ids: np.ndarray, eos: int, first_only: bool = False) -> np.ndarray:
  """Return the ids before the first `eos`.

  Args:
    ids: Ids [L] of the pieces of one sentence.
    eos: Id of the end.
    first_only: Keeps only the first id, instead of all, if there is no end.
  """
  ends = np.flatnonzero(ids == eos)
  if len(ends):
    return ids[: ends[0]]
  return ids[:1] if first_only else ids


def text(ids: np.ndarray, pieces: Sequence[str]) -> str:
  """Return the text of pieces; a '▁' becomes the space before a word."""
  return ''.join(pieces[n] for n in ids).replace('▁', ' ').strip()
