"""Forecasters to beat: the last value, and one power law."""

import numpy as np

from scoring.forecast.curve import FARTHEST, Case
from scoring.forecast.paths import Paths, normal

EXPONENTS = np.geomspace(0.05, 4, 24)


def last_value(case: Case) -> Paths:
  """Nothing changes: the best value so far stays the best."""
  return Paths(case.ahead, np.full((1, case.ahead.size), case.seen.best))


def pow3(case: Case) -> Paths:
  """Least squares of c + a s^-α (s: step), with the scatter of the residuals.

  With less than four evaluations the fit is not unique: the last value.
  """
  seen = case.seen
  count = seen.shares.size
  if count < 4:
    return last_value(case)
  floor = 1 / seen.last
  past = np.maximum(seen.shares, floor)
  fits = []
  for exponent in EXPONENTS:
    rows = np.stack([np.ones(count), past**-exponent], axis=1)
    found, *_ = np.linalg.lstsq(rows, seen.distances)
    error = float(((rows @ found - seen.distances) ** 2).sum())
    fits.append((error, exponent, found))
  error, exponent, (level, factor) = min(fits, key=lambda fit: fit[0])
  middle = level + factor * np.maximum(case.ahead, floor) ** -exponent
  spread = np.sqrt(error / (count - 3))
  noise = spread * normal(100, case.ahead.size)
  return Paths(case.ahead, np.minimum(middle + noise, FARTHEST))
