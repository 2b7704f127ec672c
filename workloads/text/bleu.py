"""BLEU of a corpus: how many words in a row a translation has right.

Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine
Translation"; Post 2018, "A Call for Clarity in Reporting BLEU Scores",
arXiv:1804.08771, whose sacrebleu counts: up to four words in a row, as
tokenized by '13a', case and all, in percent.
"""

from collections.abc import Sequence

import numpy as np


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
  """Between 0 and 100; one reference for each hypothesis."""
  import sacrebleu  # noqa: PLC0415  Slow to import, needed late.

  # By force: it warns of text that looks tokenized, as untrained models' does.
  score = sacrebleu.corpus_bleu(hypotheses, [references], force=True)
  return float(score.score)


def sentence(ids: np.ndarray, eos: int, first_only: bool = False) -> np.ndarray:
  """The ids [L] up to the first `eos`, which is left out.

  Args:
    ids: Of the pieces of one sentence.
    eos: The id of the end.
    first_only: Where there is no end, keep but the first id instead of all.
  """
  ends = np.flatnonzero(ids == eos)
  if len(ends):
    return ids[: ends[0]]
  return ids[:1] if first_only else ids


def text(ids: np.ndarray, pieces: Sequence[str]) -> str:
  """The pieces joined; a '▁' is the space before a word."""
  return ''.join(pieces[n] for n in ids).replace('▁', ' ').strip()
