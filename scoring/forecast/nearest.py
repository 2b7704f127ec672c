"""Forecast from the finished trials of the workload that were most alike.

Finished curves are weighted by their distance to the trial so far, late
evaluations most. Their futures, moved to where the trial is, are its futures:
an envelope of what has happened. No form of a curve is assumed, so a late drop
under a decaying learning rate is foreseen if other trials had one. A finished
trial ends at the target. It is continued as the trials that missed the target
went on.
"""

import functools

import numpy as np

from scoring.forecast.curve import FARTHEST, Case, Curve
from scoring.forecast.paths import Paths, normal, picks

GRID = np.linspace(0, 1, 101)
MEMORY = 0.3  # Share of the trial so far, in which the weight falls by e.
NEIGHBOURS = 5  # Finished trials in a bandwidth.
LEAST = 0.015  # Least bandwidth.
NOISE = 0.002  # Scatter of one evaluation beyond that of the finished curves.
SPREAD = 1.0  # Scatter of a future, in bandwidths.
LEAST_FINISHED = 3  # Fewer finished trials give no forecast.


def nearest(case: Case) -> Paths | None:
  """Return futures; None with too few finished trials."""
  if len(case.finished) < LEAST_FINISHED or not case.seen.shares.size:
    return None
  seen = case.seen
  known = _continued(case.finished)
  now = seen.shares[-1]
  past = np.array([np.interp(seen.shares, GRID, row) for row in known])
  recent = np.exp((seen.shares - now) / (MEMORY * now + 1e-9))
  recent /= recent.sum()
  gaps = seen.distances - past  # [M, N]
  apart = np.sqrt((recent * gaps**2).sum(axis=1))
  close = np.sort(apart)[min(NEIGHBOURS, len(apart)) - 1]
  width = max(LEAST, close)
  chosen = picks(np.exp(-0.5 * (apart / width) ** 2))
  future = np.array([np.interp(case.ahead, GRID, row) for row in known])
  shift = (recent * gaps).sum(axis=1)
  scatter = normal(len(chosen), case.ahead.size + 1)
  grown = np.sqrt(np.maximum(case.ahead - now, 0))
  futures = (
    future[chosen]
    + shift[chosen, None]
    + SPREAD * width * scatter[:, :1] * grown
    + NOISE * scatter[:, 1:]
  )
  return Paths(case.ahead, np.minimum(futures, FARTHEST))


def _continued(finished: tuple[Curve, ...]) -> np.ndarray:
  """Return finished curves on GRID, [M, 101], beyond the target as misses."""
  rows = np.array([_gridded(one) for one in finished])
  misses = rows[[not one.reached for one in finished]]
  if not len(misses):
    return rows
  usual = np.median(misses, axis=0)
  for row, one in zip(rows, finished, strict=True):
    if one.reached:
      end = one.shares[-1]
      beyond = end < GRID
      change = usual[beyond] - np.interp(end, GRID, usual)
      row[beyond] = one.distances[-1] + np.minimum(change, 0)
  return rows


@functools.lru_cache(maxsize=8192)
def _gridded(one: Curve) -> np.ndarray:
  return np.interp(GRID, one.shares, one.distances)
