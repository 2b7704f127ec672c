"""One entry against another one: by what factor, and how sure that is."""

import math
from typing import NamedTuple

import numpy as np

from scoring.rank import bootstrap
from scoring.rank.board import Board

LEVEL = bootstrap.LEVEL


class Versus(NamedTuple):
  """Effort of an entry as a multiple of another one's."""

  factor: float  # Geometric mean over workloads; below 1 is faster.
  low: float  # Ends of the interval of LEVEL.
  high: float
  unit: str  # What was drawn again: 'workloads' or 'both'.
  cells: dict[str, float]  # The multiple on each workload.
  missed: list[str]  # Workloads whose target the other one alone reaches.
  gained: list[str]  # Workloads whose target it alone reaches.


def compare(
  board: Board,
  mine: str,
  other: str,
  budgets: dict[str, float],
  draws: int = bootstrap.DRAWS,
  seed: int = bootstrap.SEED,
) -> Versus | None:
  """Compare two entries of a board; None without a workload for both.

  A target that is missed counts as reached when the budget ends, so the factor
  understates the difference. Of several rungs of a ladder, the mean counts.

  Args:
    board: The scored board.
    mine: Name of the first entry.
    other: Name of the entry to compare with.
    budgets: Largest effort of a trial by workload.
    draws: Number of draws of the bootstrap (Efron and Tibshirani 1993), of
      workloads, and of studies where there are several.
    seed: Seed of the draws.
  """
  names = list(board.rules.workloads)
  scored = [names.index(name) for name in board.rules.scored]
  limits = np.array([budgets.get(names[w], math.inf) for w in scored])
  pair = [board.times.submissions.index(name) for name in (mine, other)]

  def multiples(cells: np.ndarray) -> np.ndarray:
    """Return logarithms [..., B] of ratios of medians [..., R, N, W]."""
    found = board.times.scored(cells)[..., pair, :][..., scored]
    found = np.minimum(found, limits)  # NaN stays.
    with np.errstate(invalid='ignore'):
      logs = np.log(found[..., 0, :]) - np.log(found[..., 1, :])
    return np.where(np.isfinite(logs), logs, np.nan).mean(axis=-2)

  logs = multiples(board.times.cells)
  known = np.isfinite(logs)
  if not known.any():
    return None
  several = board.times.counted.sum(axis=-1).max() > 1
  rng = np.random.default_rng(seed)
  cells = board.times.cells[None]
  if several:
    cells = bootstrap.studies_again(rng, board, draws)
  drawn = np.broadcast_to(multiples(cells), (draws, logs.size))[:, known]
  picks = rng.integers(0, drawn.shape[-1], drawn.shape)
  means = np.nanmean(np.take_along_axis(drawn, picks, axis=-1), axis=-1)
  low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
  at = {s.submission: s.cells for s in board.standings}
  reached = {
    name: {w for w in board.rules.scored if at[name][w].state == 'reached'}
    for name in (mine, other)
  }
  return Versus(
    factor=float(np.exp(logs[known].mean())),
    low=float(np.exp(low)),
    high=float(np.exp(high)),
    unit='both' if several else 'workloads',
    cells={
      name: float(np.exp(value))
      for name, value in zip(board.rules.scored, logs, strict=True)
      if math.isfinite(value)
    },
    missed=sorted(reached[other] - reached[mine]),
    gained=sorted(reached[mine] - reached[other]),
  )
