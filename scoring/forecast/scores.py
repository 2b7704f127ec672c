"""Scores of forecasts: CRPS, coverage of intervals, Brier score.

The continuous ranked probability score is in units of the value, and 0 at
best (Gneiting and Raftery 2007, doi:10.1198/016214506000001437). A trial ends
at its target, so its best value is known up to the target only. Forecasts and
outcomes are cut there, which keeps the score proper.
"""

import numpy as np


def crps(samples: np.ndarray, weights: np.ndarray, outcome: float) -> float:
  """Return E|X - y| - E|X - X'| / 2 of weighted samples.

  Args:
    samples: Samples X of the forecast, [S].
    weights: Their weights, which sum to 1, [S].
    outcome: The outcome y.
  """
  apart = float(weights @ np.abs(samples - outcome))
  return apart - 0.5 * _within(samples, weights)


def _within(samples: np.ndarray, weights: np.ndarray) -> float:
  """Return E|X - X'|."""
  order = np.argsort(samples)
  x, w = samples[order], weights[order]
  below = np.cumsum(w)[:-1]
  return 2 * float((below * (1 - below) * np.diff(x)).sum())


def level(
  samples: np.ndarray, weights: np.ndarray, outcome: float
) -> tuple[float, float]:
  """Return P(X < y) and P(X <= y): the outcome's level lies between them.

  Args:
    samples: Samples X of the forecast, [S].
    weights: Their weights, which sum to 1, [S].
    outcome: The outcome y.
  """
  return (
    float(weights[samples < outcome].sum()),
    float(weights[samples <= outcome].sum()),
  )


def covered(low: float, high: float, share: float) -> float:
  """Return how much of an outcome's level is in the central interval.

  Args:
    low: P(X < y).
    high: P(X <= y); a level is drawn evenly between the two.
    share: The interval's probability.
  """
  first, last = (1 - share) / 2, (1 + share) / 2
  if high - low < 1e-12:
    return float(first <= low <= last)
  return max(0.0, min(high, last) - max(low, first)) / (high - low)
