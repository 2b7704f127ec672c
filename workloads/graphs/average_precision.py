"""Mean average precision over tasks whose labels are partly missing.

The metric of ogbg-molpcba (Hu et al. 2020, "Open Graph Benchmark",
arXiv:2005.00687). The average precision of one task equals scikit-learn's,

  AP = sum_n (R_n - R_{n-1}) P_n,

where P_n and R_n are precision and recall if all examples with the n highest
distinct scores are predicted positive.
"""

import numpy as np


def mean_average_precision(
  scores: np.ndarray, targets: np.ndarray, labelled: np.ndarray
) -> float:
  """Return the mean over all tasks with positive and negative labels.

  Args:
    scores: [N, K], for N examples in K tasks; higher means more positive.
      Only the order within a task matters: logits are valid scores.
    targets: [N, K], one for positive, zero for negative.
    labelled: [N, K], one where a target is known, zero elsewhere.

  Returns:
    A share from 0 to 1; NaN if a score is NaN, or if no task has both labels.
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
  """Return the mean precision [K] at the positives; each task has one."""
  order = np.argsort(-scores, axis=0)
  scores, positive, labelled = (
    np.take_along_axis(values, order, axis=0)
    for values in (scores, positive, labelled)
  )
  found = np.cumsum(positive, axis=0)  # [N, K]
  called = np.cumsum(labelled, axis=0)
  last = _last_of_equals(scores)
  # Rows above the first labelled score have no counts; avoid 0 / 0.
  precision = np.take_along_axis(found, last, axis=0) / np.maximum(
    np.take_along_axis(called, last, axis=0), 1
  )
  return (precision * positive).sum(axis=0) / positive.sum(axis=0)


def _last_of_equals(scores: np.ndarray) -> np.ndarray:
  """Return the number [N, K] of the last row with an equal sorted score."""
  size = len(scores)
  rows = np.broadcast_to(np.arange(size)[:, None], scores.shape)
  ends = np.ones(scores.shape, bool)
  ends[:-1] = scores[:-1] != scores[1:]
  # Take the first end at or after each row.
  nearest = np.where(ends, rows, size)[::-1]
  return np.minimum.accumulate(nearest, axis=0)[::-1]
