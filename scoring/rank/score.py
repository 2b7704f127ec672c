"""From times to the target to scores. Pure functions of tables; no files.

Times are charged seconds, or any other measure of effort. A miss is inf, and an
open cell NaN, all the way. Arrays are [..., N, W], N submissions by W
workloads, so that thousands of resampled tables are scored at once.

A submission's time on a workload is the median over studies of the fastest
trial's time to the target. Its score is the area under its performance profile
(Dolan and More 2002, doi:10.1007/s101070100263) between 1 and the cutoff, which
has a closed form: a workload reached in r times the fastest time adds
(cutoff - r) / (cutoff - 1), and nothing beyond the cutoff.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np

from runner.protocol.suite import Interpretation, Suite

GRID = 100  # Points of the published boards' integral.
INTEGRALS = ('exact', 'published')


def study_time(
  trials: Sequence[tuple[float, float]], reading: Interpretation
) -> float:
  """The time of a study; NaN, open, if any of its trials is.

  Args:
    trials: For each the number of the evaluation that is the hit (inf: a miss,
      -1: open) and its seconds.
    reading: Which trial counts.
  """
  if reading.fastest == 'evaluation':
    return min(trials)[1]
  seconds = [time for _, time in trials]
  return math.nan if any(map(math.isnan, seconds)) else min(seconds)


def medians(studies: np.ndarray) -> np.ndarray:
  """The median over the last axis; NaN if anything there is.

  Of an even number of studies, the mean of the middle two: inf if one is.
  """
  size = studies.shape[-1]
  found = np.sort(studies, axis=-1)  # NaN last.
  lower, upper = found[..., (size - 1) // 2], found[..., size // 2]
  middle = lower if size % 2 else (lower + upper) / 2
  return np.where(np.isnan(found[..., -1]), np.nan, middle)


def qualified(times: np.ndarray, rules: Suite) -> np.ndarray:
  """Times on the scored workloads [..., N, B], after the held-out rule.

  Who misses a held-out variant, or is beyond the cutoff there, loses the
  workload that it is a variant of; who misses that one is not looked at on the
  variant.

  Args:
    times: [..., N, W], on the workloads of the rules in their order.
    rules: Say which workloads are held out, the cutoff, and when it cuts.
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
  """The least time, kept as an axis of size one; NaN only if all are."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore', RuntimeWarning)  # Nothing but open cells.
    return np.nanmin(times, axis=axis, keepdims=True)


def ratios(times: np.ndarray) -> np.ndarray:
  """How many times the fastest time: 1 is the fastest, inf a miss."""
  times = np.asarray(times, float)
  fastest = best(times, axis=-2)
  with np.errstate(invalid='ignore', divide='ignore'):
    found = times / fastest
  found = np.where(times == fastest, 1.0, found)
  return np.where(np.isinf(times), np.inf, found)


def credit(
  ratios: np.ndarray, cutoff: float, integral: str = 'exact'
) -> np.ndarray:
  """What every workload adds: from 1 for the fastest to 0 at the cutoff.

  With integral='published' it is what the trapezoids of the published boards
  give, on 100 points: half of one of 99 cells may be added or left out.
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
  """The mean over workloads of their credit; open cells add nothing yet."""
  found = credit(ratios(times), cutoff, integral)
  return np.where(np.isnan(found), 0.0, found).mean(axis=-1)


def profile(times: np.ndarray, taus) -> np.ndarray:
  """Share of workloads reached within tau of the fastest, [..., N, T]."""
  return (ratios(times)[..., None] <= np.asarray(taus)).mean(axis=-2)


def ranks(scores: np.ndarray, closed: np.ndarray) -> np.ndarray:
  """Ranks from 1 of scores [..., N]; equal ones share the better rank.

  Args:
    scores: Higher is better.
    closed: [N], who has a rank; the others get NaN and take no place.
  """
  # Sums of the same credit in another order differ in the last digits.
  scores = np.where(closed, np.round(scores, 12), -np.inf)
  ahead = (scores[..., None, :] > scores[..., :, None]).sum(axis=-1)
  return np.where(closed, 1 + ahead, np.nan)
