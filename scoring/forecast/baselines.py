"""Forecasters to beat: the last value, and one power law."""

import numpy as np

from scoring.forecast.curve import FARTHEST, Case
from scoring.forecast.paths import Paths, normal

EXPONENTS = np.geomspace(0.05, 4, 200)


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
  powers = np.maximum(seen.shares, floor) ** -EXPONENTS[:, None]  # [E, N]
  apart = powers - powers.mean(axis=1, keepdims=True)
  over = seen.distances - seen.distances.mean()
  factors = (apart @ over) / np.maximum((apart**2).sum(axis=1), 1e-300)
  errors = ((over - factors[:, None] * apart) ** 2).sum(axis=1)
  at = int(errors.argmin())
  level = seen.distances.mean() - factors[at] * powers[at].mean()
  ahead = np.maximum(case.ahead, floor) ** -EXPONENTS[at]
  middle = level + factors[at] * ahead
  spread = np.sqrt(errors[at] / (count - 3))
  noise = spread * normal(100, case.ahead.size)
  return Paths(case.ahead, np.minimum(middle + noise, FARTHEST))
