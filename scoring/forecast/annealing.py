"""Forecast from the scaling law with learning-rate annealing.

Tissue, Wang and Wang 2024, arXiv:2408.11029: the loss at step s is

    L0 + A S1^-α - C S2

S1 is the sum of the learning rates. S2 is the annealed area: the sum of all
falls of the rate, each with a momentum, λ per step. The last term knows what
a decay that is still to come is worth. Rates are relative to the largest one
and areas to the trial's steps, so that A and C are free of units. The law is
applied to the distance to the target (curve.py). Small networks begin on a
plateau, which no power law has. So the forecaster has all shapes of
parametric.py in the place of the power law, as functions of S1.
"""

import functools
from typing import NamedTuple

import numpy as np

from scoring.forecast import regression
from scoring.forecast.curve import Case, Curve
from scoring.forecast.parametric import shapes
from scoring.forecast.paths import Paths
from scoring.forecast.regression import Prior

MEMORIES = (0.02, 0.1, 0.5)  # 1 / (1 - λ), as shares of all steps.
MOST_RATES = 1000  # Rates of longer trials are thinned: seconds become ms.


class Law(NamedTuple):
  """Coefficients of the law, for areas in steps."""

  level: float  # L0.
  forward: float  # A.
  anneal: float  # C.
  exponent: float  # α.

  def values(self, s1: np.ndarray, s2: np.ndarray) -> np.ndarray:
    """Return the law's loss."""
    return self.level + self.forward * s1**-self.exponent - self.anneal * s2


def annealing(case: Case) -> Paths | None:
  """Return futures; None if the schedule is unknown."""
  if case.seen.rates is None or not case.seen.shares.size:
    return None
  known = tuple(one for one in case.finished if one.rates is not None)
  return regression.futures(
    Case(case.seen, known, case.ahead),
    _features,
    _prior(),
    _coefficients,
    positive=(1, 2),
  )


def areas(rates: np.ndarray, momentum: float) -> tuple[np.ndarray, np.ndarray]:
  """Return S1 and S2 after each step.

  Args:
    rates: Learning rate of each step, [T].
    momentum: The law's λ, about 0.999.
  """
  falls = -np.diff(rates, prepend=rates[:1])
  recent, total, s2 = 0.0, 0.0, []
  for fall in falls.tolist():
    recent = momentum * recent + fall
    total += recent
    s2.append(total)
  return np.cumsum(rates), np.array(s2)


def fit(values: np.ndarray, s1: np.ndarray, s2: np.ndarray) -> Law:
  """Return the law of least squares.

  Args:
    values: Losses, [N].
    s1: Sums of the learning rates there, [N].
    s2: Annealed areas there, [N].
  """
  from scipy import optimize  # noqa: PLC0415  Takes a third of a second.

  def solved(exponent: float) -> tuple[float, np.ndarray]:
    rows = np.stack([np.ones_like(s1), s1**-exponent, -s2], axis=1)
    found, *_ = np.linalg.lstsq(rows, values)
    return float(((rows @ found - values) ** 2).sum()), found

  grid = np.geomspace(0.02, 4, 60)
  at = int(np.argmin([solved(one)[0] for one in grid]))
  low, high = grid[max(0, at - 1)], grid[min(at + 1, len(grid) - 1)]
  exponent = optimize.minimize_scalar(
    lambda one: solved(one)[0], bounds=(low, high), options={'xatol': 1e-8}
  ).x
  level, forward, anneal = solved(exponent)[1]
  return Law(*map(float, (level, forward, anneal, exponent)))


def _features(seen: Curve, shares: np.ndarray) -> np.ndarray:
  """Return features of the law, which fall from 1 to 0, [J, N, 3]."""
  found = []
  for s1, s2 in _areas(seen):
    at = np.arange(1, len(s1) + 1) / len(s1)
    forward = shapes(np.interp(shares, at, s1 / s1[-1]))
    left = (s2[-1] - s2) / (s2[-1] if s2[-1] > 1e-9 else 1.0)
    anneal = np.broadcast_to(np.interp(shares, at, left), forward.shape)
    found.append(np.stack([np.ones_like(forward), forward, anneal], axis=-1))
  return np.concatenate(found)


@functools.lru_cache(maxsize=256)
def _areas(seen: Curve) -> list[tuple[np.ndarray, np.ndarray]]:
  """Return S1 and S2 as shares of the steps, for each of MEMORIES."""
  assert seen.rates is not None
  rates = _thinned(seen.rates)
  count = len(rates)
  found = []
  for memory in MEMORIES:
    s1, s2 = areas(rates, max(0.0, 1 - 1 / (memory * count)))
    found.append((s1 / count, s2 / count))
  return found


def _thinned(rates: np.ndarray) -> np.ndarray:
  """Return means of equally long parts, at most MOST_RATES."""
  if len(rates) <= MOST_RATES:
    return rates
  total = np.append(0, np.cumsum(rates))
  ends = np.linspace(0, len(rates), MOST_RATES + 1)
  until = np.interp(ends, np.arange(len(rates) + 1), total)
  return np.diff(until) * MOST_RATES / len(rates)


@functools.cache
def _prior() -> Prior:
  """Return the general prior: distance at the end, and the two drops."""
  count = len(MEMORIES) * len(shapes(np.ones(1)))
  mean = np.tile([0.2, 0.6, 0.3], (count, 1))
  cov = np.diag([0.4**2, 0.4**2, 0.3**2])
  return Prior(mean, np.tile(cov, (count, 1, 1)))


@functools.lru_cache(maxsize=8192)
def _coefficients(one: Curve) -> np.ndarray:
  return regression.most_likely(one, _features, _prior())
