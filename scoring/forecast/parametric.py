"""Forecast from the forms of learning curves that the literature knows.

The bank has power laws (pow3), ilog2 and Weibull curves (janoschek), the prior
of LC-PFN (Adriaensen et al. 2023, arXiv:2310.20447), on grids of what is not
linear in them. These forms saturate. Under a decaying learning rate most of
the improvement comes late, which they call hopeless; so lines and parabolas,
which do not saturate, stand beside them.
"""

import functools

import numpy as np

from scoring.forecast import regression
from scoring.forecast.curve import Case, Curve
from scoring.forecast.paths import Paths
from scoring.forecast.regression import Prior

FIRST = 0.02  # Share of the steps where a shape is 1; it is 0 at the end.
STEEPEST = 3.0  # Cut of power laws before FIRST.


def parametric(case: Case) -> Paths | None:
  """Return futures; None without an evaluation."""
  if not case.seen.shares.size:
    return None
  return regression.futures(case, _features, _prior(), _coefficients)


def shapes(shares: np.ndarray) -> np.ndarray:
  """Return all shapes at these shares, from 1 at FIRST to 0 at 1, [J, N]."""
  first, last = _raw(np.array([FIRST, 1.0])).T[:, :, None]
  return np.minimum((_raw(shares) - last) / (first - last), STEEPEST)


def _raw(shares: np.ndarray) -> np.ndarray:
  rows = [
    (shares + offset) ** -exponent
    for exponent in (0.1, 0.25, 0.5, 1.0, 1.5, 2.5)
    for offset in (0.005, 0.03, 0.1)
  ]
  rows += [
    np.exp(-rate * shares**power)
    for rate in (1.0, 3.0, 8.0, 20.0)
    for power in (0.5, 1.0, 2.0)
  ]
  rows += [1 / np.log(1 + 400 * shares + 1)]
  rows += [-(shares**power) for power in (1.0, 1.5, 2.0)]
  return np.array(rows)


def _features(seen: Curve, shares: np.ndarray) -> np.ndarray:
  del seen  # Every trial has the same shapes.
  drop = shapes(shares)
  return np.stack([np.ones_like(drop), drop], axis=-1)


@functools.cache
def _prior() -> Prior:
  """Return the general prior: distance at the end, and the drop to there."""
  count = len(_raw(np.ones(1)))
  mean = np.tile([0.2, 0.8], (count, 1))
  return Prior(mean, np.tile(np.diag([0.4**2, 0.4**2]), (count, 1, 1)))


@functools.lru_cache(maxsize=8192)
def _coefficients(one: Curve) -> np.ndarray:
  return regression.most_likely(one, _features, _prior())
