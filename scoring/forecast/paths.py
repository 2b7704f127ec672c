"""Sampled futures of a trial, and what follows from them."""

from typing import NamedTuple

import numpy as np

from scoring.forecast.curve import Case, Curve, Scale

SAMPLES = 200  # Futures of one forecaster.
SEED = 20261130


class Paths(NamedTuple):
  """Equally likely futures of one trial."""

  shares: np.ndarray  # Shares of the steps, [G].
  distances: np.ndarray  # Distances to the target, [S, G].


class Outlook(NamedTuple):
  """Forecast of one trial: weighted samples."""

  best: np.ndarray  # Least distance to the target by the budget's end, [S].
  share: np.ndarray  # Share of the steps at the target; inf: never, [S].
  weights: np.ndarray  # Sum 1, [S].
  last: int  # Steps that fit into the budget.

  @property
  def chance(self) -> float:
    """Probability that the target is reached within the budget."""
    return min(1.0, float(self.weights[np.isfinite(self.share)].sum()))

  def values(self, levels, by: Scale) -> np.ndarray:
    """Return quantiles of the best value, from the worst to the best.

    Values beyond the target are not told apart where finished trials have
    ended at the target.
    """
    levels = 1 - np.asarray(levels, float)
    return by.value(quantiles(self.best, self.weights, levels))

  def steps(self, levels) -> np.ndarray:
    """Return quantiles of the step to the target; inf: never."""
    return self.last * quantiles(self.share, self.weights, levels)


def outlook(case: Case, paths: Paths) -> Outlook:
  """Return what a forecaster's futures come to."""
  count = len(paths.distances)
  weights = np.full(count, 1 / count)
  best = np.full(count, case.seen.best)
  share = np.full(count, _hit(case.seen))
  if paths.shares.size and not case.seen.reached:
    best = np.minimum(best, paths.distances.min(axis=1))
    hits = paths.distances <= 0
    share = np.where(
      hits.any(axis=1), paths.shares[hits.argmax(axis=1)], np.inf
    )
  return Outlook(best, share, weights, case.seen.last)


def pool(outlooks: list[Outlook], weights: np.ndarray) -> Outlook:
  """Return the mixture of forecasts with these weights, which sum to 1."""
  return Outlook(
    np.concatenate([one.best for one in outlooks]),
    np.concatenate([one.share for one in outlooks]),
    np.concatenate(
      [w * one.weights for one, w in zip(outlooks, weights, strict=True)]
    ),
    outlooks[0].last,
  )


def widened(paths: Paths, factor: float) -> Paths:
  """Stretch futures about their median."""
  if factor == 1:
    return paths
  middle = np.median(paths.distances, axis=0)
  return paths._replace(distances=middle + factor * (paths.distances - middle))


def quantiles(values: np.ndarray, weights: np.ndarray, levels) -> np.ndarray:
  """Return the least sample at or above each level.

  Args:
    values: Samples, [S].
    weights: Their weights, [S].
    levels: Levels between 0 and 1.
  """
  order = np.argsort(values, kind='stable')
  total = np.cumsum(weights[order])
  at = np.searchsorted(total, np.asarray(levels) * total[-1] - 1e-12)
  return values[order][np.minimum(at, len(values) - 1)]


def picks(weights: np.ndarray, count: int = SAMPLES) -> np.ndarray:
  """Return `count` indices in proportion to the weights, without chance."""
  total = np.cumsum(weights)
  at = np.searchsorted(total, (np.arange(count) + 0.5) / count * total[-1])
  return np.minimum(at, len(weights) - 1)


def normal(*shape: int) -> np.ndarray:
  """Return standard normal numbers, the same in each call."""
  return np.random.default_rng(SEED).standard_normal(shape)


def _hit(seen: Curve) -> float:
  at = (seen.distances <= 0).nonzero()[0]
  return float(seen.shares[at[0]]) if at.size else np.inf
