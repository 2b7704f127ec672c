"""How sure a board is: resampled scores, ranks and comparisons.

Bootstrap (Efron and Tibshirani 1993, "An Introduction to the Bootstrap"): the
studies of every cell are drawn again with replacement, and the whole board is
scored again, as often as said. Studies that share their seeds over submissions
are drawn together, so that what they have in common does not count as noise.
Of three to five studies the intervals come out too narrow rather than too wide.
"""

from typing import NamedTuple

import numpy as np

from scoring.rank import score
from scoring.rank.board import Board

DRAWS = 1000
MOST = 100_000  # Draws: of each, profiles are kept in memory.
SEED = 0
LEVEL = 0.9  # Of the intervals.
SURE = 0.95  # From here on, one submission is said to be faster.
UNITS = ('studies', 'workloads', 'both')  # What is drawn again.
POINTS = 41  # Of the profiles' bands.
CHUNK = 1_000_000  # Numbers at once, for the sake of memory.


class Spread(NamedTuple):
  """Of N submissions, in the order of the board's times."""

  unit: str
  draws: int
  low: np.ndarray  # [N] scores; NaN where nothing can be resampled.
  high: np.ndarray
  rank_low: np.ndarray  # [N], NaN with open cells.
  rank_high: np.ndarray
  faster: np.ndarray  # [N, N]: how often the row's score is the higher one.
  taus: np.ndarray  # [T]
  bands: np.ndarray  # [2, N, T]: lower and upper edge of the profiles.


def bootstrap(
  board: Board, unit: str = 'studies', draws: int = DRAWS, seed: int = SEED
) -> Spread | None:
  """Resamples the board; None where it has nothing to resample.

  Args:
    board: Scored.
    unit: Of UNITS. Over workloads it answers another question: how much the
      ranking hangs on which workloads were chosen.
    draws: How often.
    seed: Of the draws: the same one gives the same intervals.
  """
  times = board.times
  if unit != 'workloads' and times.counted.sum(axis=-1).max() < 2:
    return None
  rng = np.random.default_rng(seed)
  taus = np.linspace(1.0, board.rules.cutoff, POINTS)
  step = max(1, CHUNK // max(1, times.studies.size * len(taus) // 4))
  parts = []
  for first in range(0, draws, step):
    count = min(step, draws - first)
    cells = np.broadcast_to(times.cells, (count, *times.cells.shape))
    if unit != 'workloads':
      cells = _studies_again(rng, board, count)
    qualified = board.qualified(cells)
    if unit != 'studies':
      width = qualified.shape[-1]
      picks = rng.integers(0, width, (count, 1, width))
      qualified = np.take_along_axis(qualified, picks, axis=-1)
    parts.append(
      (
        score.score(qualified, board.rules.cutoff, board.integral),
        score.profile(qualified, taus).astype(np.float32),
      )
    )
  scores, profiles = (np.concatenate(part) for part in zip(*parts, strict=True))
  ranks = score.ranks(scores, board.closed)
  edges = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
  low, high = np.quantile(scores, edges, axis=0)
  rank_low, rank_high = np.quantile(ranks, edges, axis=0, method='nearest')
  ahead = scores[:, :, None] - scores[:, None, :]
  faster = (np.sign(np.round(ahead, 12)) + 1).mean(axis=0) / 2
  bands = np.quantile(profiles, edges, axis=0)
  return Spread(
    unit, draws, low, high, rank_low, rank_high, faster, taus, bands
  )


def interval(
  board: Board, spread: Spread | None, submission: str
) -> tuple[float, float] | None:
  """Of the score of a submission; None where nothing was resampled."""
  if spread is None:
    return None
  n = board.times.submissions.index(submission)
  return float(spread.low[n]), float(spread.high[n])


def rank_interval(
  board: Board, spread: Spread | None, submission: str
) -> tuple[int, int] | None:
  """Of its rank; None with open cells too."""
  n = board.times.submissions.index(submission)
  if spread is None or not board.closed[n]:
    return None
  return int(spread.rank_low[n]), int(spread.rank_high[n])


def ties(board: Board, spread: Spread | None) -> list[list[str]]:
  """Neighbours in the ranking that cannot be told apart, in groups.

  Every submission of a group is followed by one that it is not surely faster
  than. Without studies to draw from, nothing can be told apart.
  """
  ranked = [s.submission for s in board.standings if s.rank]
  groups: list[list[str]] = []
  for name, before in zip(ranked, [None, *ranked], strict=False):
    if before is not None and not _surely(board, spread, before, name):
      groups[-1].append(name)
    else:
      groups.append([name])
  return [group for group in groups if len(group) > 1]


def without(board: Board) -> dict[str, dict[str, float]]:
  """Scores without one workload each: {workload: {submission: score}}."""
  qualified = board.qualified(board.times.cells)
  found = {}
  for column, name in enumerate(board.rules.scored):
    rest = np.delete(qualified, column, axis=-1)
    if rest.shape[-1]:
      scores = score.score(rest, board.rules.cutoff, board.integral)
      found[name] = dict(
        zip(board.times.submissions, scores.tolist(), strict=True)
      )
  return found


def _surely(board: Board, spread: Spread | None, one: str, other: str) -> bool:
  if spread is None:
    return False
  index = board.times.submissions.index
  return bool(spread.faster[index(one), index(other)] >= SURE)


def _studies_again(
  rng: np.random.Generator, board: Board, count: int
) -> np.ndarray:
  """Medians [count, N, W] of studies drawn with replacement."""
  times = board.times
  shape = times.studies.shape
  if times.paired:
    shape = (1, *shape[1:])
  draws = np.broadcast_to(
    rng.random((count, *shape)), (count, *times.studies.shape)
  )
  found = np.full((count, *times.studies.shape[:2]), np.nan)
  for rows, columns, values in times.groups():
    size = values.shape[-1]
    picks = (draws[:, rows, columns, :size] * size).astype(int)
    drawn = np.take_along_axis(values.reshape(1, -1, size), picks, axis=-1)
    found[:, rows, columns] = score.medians(drawn)
  return found
