"""Turn times to the target into scores: pure functions of arrays, no files.

Times are charged seconds, or another measure of effort. A miss is inf and an
open cell is NaN in all functions. Arrays are [..., N, W], N submissions by W
workloads; leading axes hold thousands of resampled tables.

A submission's time on a workload is the median over studies of the fastest
trial's time to the target. Its score is the area under its performance profile
(Dolan and More 2002, doi:10.1007/s101070100263) between 1 and the cutoff. This
area has a closed form: a workload reached in r times the fastest time adds
(cutoff - r) / (cutoff - 1), or nothing beyond the cutoff.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np

from runner.protocol.suites.suite import Interpretation, Suite

GRID = 100  # Number of points of the published boards' integral.
INTEGRALS = ('exact', 'published')


def study_time(
  trials: Sequence[tuple[float, float]], reading: Interpretation
) -> float:
  """Return the time of a study; NaN (open) if any trial is open.

  Args:
    trials: (index of the evaluation that hits, seconds) of each trial. The
      index is inf for a miss and -1 for an open trial.
    reading: The interpretation of the rules, says which trial counts.
  """
  if reading.fastest == 'evaluation':
    return min(trials)[1]
  seconds = [time for _, time in trials]
  return math.nan if any(map(math.isnan, seconds)) else min(seconds)


def medians(studies: np.ndarray) -> np.ndarray:
  """Return the median over the last axis; NaN if any value is NaN.

  The median of an even number of studies is the mean of the middle two, and
  inf if one of the two is inf.
  """
  size = studies.shape[-1]
  found = np.sort(studies, axis=-1)  # NaN last.
  lower, upper = found[..., (size - 1) // 2], found[..., size // 2]
  middle = lower if size % 2 else (lower + upper) / 2
  return np.where(np.isnan(found[..., -1]), np.nan, middle)


def qualified(times: np.ndarray, rules: Suite) -> np.ndarray:
  """Return times on the B scored workloads [..., N, B], after held-out rules.

  A submission that misses a held-out variant, or is beyond the cutoff there,
  loses the base workload of the variant. A submission that misses the base
  workload does not count on the variant.

  Args:
    times: [..., N, W] times on the suite's workloads, in the suite's order.
    rules: The suite: held-out variants, cutoff, and when the cutoff applies.
  """
  names = list(rules.workloads)
  times = np.array(times, float)
  held_out = [
    (names.index(row.workload), names.index(row.held_out_of))
    for row in rules.workloads.values()
    if row.held_out_of
  ]
  for variant, base in held_out:
    missed = np.isinf(times[..., base])
    times[..., variant][missed] = np.inf
  cuts = [variant for variant, _ in held_out]
  for column in (
    range(len(names)) if rules.interpretation.cut == 'first' else cuts
  ):
    part = times[..., column]
    part[part > rules.cutoff * best(part, axis=-1)] = np.inf
  for variant, base in held_out:
    column = times[..., base]
    column[np.isinf(times[..., variant])] = np.inf
    column[np.isnan(times[..., variant]) & np.isfinite(column)] = np.nan
  scored = [names.index(name) for name in rules.scored]
  return times[..., scored]


def best(times: np.ndarray, axis: int) -> np.ndarray:
  """Return the least time, `axis` kept with size 1; NaN if all are NaN."""
  with warnings.catch_warnings():
    # NumPy warns if all cells are open (NaN).
    warnings.simplefilter('ignore', RuntimeWarning)
    return np.nanmin(times, axis=axis, keepdims=True)


def ratios(times: np.ndarray) -> np.ndarray:
  """Return times divided by the fastest time: 1 is the fastest, inf a miss."""
  times = np.asarray(times, float)
  fastest = best(times, axis=-2)
  with np.errstate(invalid='ignore', divide='ignore'):
    found = times / fastest
  found = np.where(times == fastest, 1.0, found)
  return np.where(np.isinf(times), np.inf, found)


def credit(
  ratios: np.ndarray, cutoff: float, integral: str = 'exact'
) -> np.ndarray:
  """Return every workload's credit: 1 for the fastest, 0 from the cutoff on.

  Args:
    ratios: Times divided by the fastest time, any shape.
    cutoff: The ratio from which on there is no credit.
    integral: 'exact', or 'published' for the published boards' trapezoids on
      GRID points, which differ by at most half an interval of the grid.
  """
  if integral == 'exact':
    return np.clip((cutoff - ratios) / (cutoff - 1), 0.0, None)
  grid = np.linspace(1.0, cutoff, GRID)
  first = np.searchsorted(grid, ratios)  # The first point that is reached.
  area = np.where(first == 0, GRID - 1, GRID - 1 - first + 0.5) / (GRID - 1)
  return np.where(np.isnan(ratios), np.nan, np.where(first < GRID, area, 0.0))


def score(
  times: np.ndarray, cutoff: float, integral: str = 'exact'
) -> np.ndarray:
  """Return the mean credit over workloads; open cells add nothing.

  Args:
    times: [..., N, B] times on the scored workloads.
    cutoff: The ratio from which on there is no credit.
    integral: One of INTEGRALS.

  Returns:
    Scores [..., N].
  """
  found = credit(ratios(times), cutoff, integral)
  return np.where(np.isnan(found), 0.0, found).mean(axis=-1)


def profile(times: np.ndarray, taus) -> np.ndarray:
  """Return the share of workloads reached within each tau, [..., N, T].

  A tau is a ratio to the fastest time.
  """
  return (ratios(times)[..., None] <= np.asarray(taus)).mean(axis=-2)


def ranks(scores: np.ndarray, closed: np.ndarray) -> np.ndarray:
  """Return ranks from 1 on; equal scores share the better rank.

  Args:
    scores: [..., N] scores, higher is better.
    closed: [N] mask of submissions with a rank. The rank of others is NaN.
  """
  # Sums of the same credits in another order differ in the last digits.
  scores = np.where(closed, np.round(scores, 12), -np.inf)
  ahead = (scores[..., None, :] > scores[..., :, None]).sum(axis=-1)
  return np.where(closed, 1 + ahead, np.nan)
