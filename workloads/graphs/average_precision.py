"""Mean average precision over tasks whose labels are partly missing.

The metric of ogbg-molpcba (Hu et al. 2020, "Open Graph Benchmark",
arXiv:2005.00687). The average precision of one task is that of scikit-learn,

  AP = sum_n (R_n - R_{n-1}) P_n,

where P_n and R_n are precision and recall if the examples with the n highest
different scores are called positive.
"""

import numpy as np


def mean_average_precision(
  scores: np.ndarray, targets: np.ndarray, labelled: np.ndarray
) -> float:
  """The mean over the tasks that have a positive and a negative label.

  Args:
    scores: [N, K], of N examples in K tasks; the higher the more positive.
      A task's scores are only compared with each other, so logits will do.
    targets: [N, K], one for positive, zero for negative.
    labelled: [N, K], one where a target is known, zero elsewhere.

  Returns:
    A share from 0 to 1; NaN if a score is, or if no task has both labels.
  """
  if np.isnan(scores).any():
    return float('nan')
  labelled = labelled.astype(bool)
  positive = labelled & (targets > 0)
  negative = labelled & ~positive
  both = positive.any(axis=0) & negative.any(axis=0)  # [K]
  if not both.any():
    return float('nan')
  precisions = _average_precisions(
    scores[:, both], positive[:, both], labelled[:, both]
  )
  return float(precisions.mean())


def _average_precisions(
  scores: np.ndarray, positive: np.ndarray, labelled: np.ndarray
) -> np.ndarray:
  """[K], of tasks with a positive: the mean precision where positives are."""
  order = np.argsort(-scores, axis=0)
  scores, positive, labelled = (
    np.take_along_axis(values, order, axis=0)
    for values in (scores, positive, labelled)
  )
  found = np.cumsum(positive, axis=0)  # [N, K]
  called = np.cumsum(labelled, axis=0)
  last = _last_of_equals(scores)
  # Above the first labelled score nothing is called, and nothing counts.
  precision = np.take_along_axis(found, last, axis=0) / np.maximum(
    np.take_along_axis(called, last, axis=0), 1
  )
  return (precision * positive).sum(axis=0) / positive.sum(axis=0)


def _last_of_equals(scores: np.ndarray) -> np.ndarray:
  """Number [N, K] of the last row that has the same of the sorted scores."""
  size = len(scores)
  rows = np.broadcast_to(np.arange(size)[:, None], scores.shape)
  ends = np.ones(scores.shape, bool)
  ends[:-1] = scores[:-1] != scores[1:]
  # The first end at or after each row.
  nearest = np.where(ends, rows, size)[::-1]
  return np.minimum.accumulate(nearest, axis=0)[::-1]
