"""Rank correlations of scores, over many resampled boards at once.

Scores are [..., N]: N entries, leading axes for resampled boards. Scores that
differ by less than DIGITS decimals are equal, as in `scoring/rank/score.py`.
Equal scores share the mean of their ranks. A correlation with scores that are
all equal is NaN.
"""

import itertools
import math

import numpy as np

DIGITS = 12
PERMUTATIONS = 5040  # All orders of seven entries.


def spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
  """Return Spearman's rho (1904) over the last axis."""
  from scipy import stats

  return _cosine(
    *(stats.rankdata(np.round(x, DIGITS), axis=-1) for x in (one, other))
  )


def kendall(one: np.ndarray, other: np.ndarray) -> np.ndarray:
  """Return Kendall's tau-b (1945) over the last axis."""
  one, other = _signs(one), _signs(other)
  scale = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
  return _divided((one * other).sum(axis=-1), scale)


def in_order(one: np.ndarray, other: np.ndarray) -> tuple[int, int]:
  """Return numbers of pairs: in the same order, and unequal in both scores.

  Args:
    one: Scores [N].
    other: Scores [N] of the same entries.
  """
  products = _signs(one) * _signs(other)
  return int((products > 0).sum()), int((products != 0).sum())


def chance(one: np.ndarray, other: np.ndarray) -> float:
  """Return the share of orders of `other` with at least the same rho.

  Up to seven entries these are all orders, and PERMUTATIONS random ones
  otherwise. The share is one-sided.

  Args:
    one: Scores [N].
    other: Scores [N] of the same entries.
  """
  found = spearman(one, other)
  return float((_permuted(one, other) >= found - 1e-9).mean())


def unrelated(size: int) -> tuple[float, float]:
  """Return the 5th and 95th percentile of rho over orders of `size` entries."""
  found = _permuted(np.arange(size), np.arange(size))
  low, high = np.quantile(found, [0.05, 0.95])
  return float(low), float(high)


def _permuted(one: np.ndarray, other: np.ndarray) -> np.ndarray:
  """Return rho with permutations of the second scores."""
  size = len(other)
  if math.factorial(size) <= PERMUTATIONS:
    orders = np.array(list(itertools.permutations(range(size))))
  else:
    rng = np.random.default_rng(0)
    orders = rng.permuted(np.tile(np.arange(size), (PERMUTATIONS, 1)), axis=1)
  return spearman(one, np.asarray(other)[orders])


def _signs(scores: np.ndarray) -> np.ndarray:
  """Return the sign [..., P] of every pair's difference."""
  scores = np.round(scores, DIGITS)
  first, second = np.triu_indices(scores.shape[-1], 1)
  return np.sign(scores[..., first] - scores[..., second])


def _cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
  one = one - one.mean(axis=-1, keepdims=True)
  other = other - other.mean(axis=-1, keepdims=True)
  scale = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
  return _divided((one * other).sum(axis=-1), scale)


def _divided(sums: np.ndarray, scale: np.ndarray) -> np.ndarray:
  with np.errstate(invalid='ignore', divide='ignore'):
    return np.where(scale > 0, np.divide(sums, scale), np.nan)
