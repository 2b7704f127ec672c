"""Estimate the confidence of a board: resampled scores, ranks and comparisons.

Bootstrap (Efron and Tibshirani 1993, "An Introduction to the Bootstrap"): draw
the studies of every cell again with replacement, score the whole board again,
and repeat. Studies that share their seeds across submissions are drawn
together, so their common effects do not count as noise. With three to five
studies, the intervals are rather too narrow than too wide.
"""

from typing import NamedTuple

import numpy as np

from scoring.rank import score
from scoring.rank.board import Board
from scoring.rank.times import Times

DRAWS = 1000
MOST = 100_000  # Draws; the profiles of each draw are kept in memory.
SEED = 0
LEVEL = 0.9  # Share of draws inside an interval.
SURE = 0.95  # Share of draws from which one submission counts as faster.
UNITS = ('studies', 'workloads', 'both')  # Units that can be drawn again.
POINTS = 41  # Number of tau values in the profiles' bands.
CHUNK = 1_000_000  # Numbers processed at once; limits memory.
LONG = 8  # Length of a list of drawn study numbers, in numbers of studies.


class Spread(NamedTuple):
  """Resampled results of N submissions, in the order of the board's times."""

  unit: str
  draws: int
  seed: int
  low: np.ndarray  # [N] lower end of the score's interval.
  high: np.ndarray  # [N] upper end of the score's interval.
  rank_low: np.ndarray  # [N] best rank of the interval, NaN with open cells.
  rank_high: np.ndarray  # [N] worst rank of the interval, NaN with open cells.
  faster: np.ndarray  # [N, N] share of draws where the row's score is higher.
  taus: np.ndarray  # [T] ratios to the fastest time.
  bands: np.ndarray  # [2, N, T] lower and upper edge of the profiles.


def bootstrap(
  board: Board, unit: str = 'studies', draws: int = DRAWS, seed: int = SEED
) -> Spread | None:
  """Resample the board; None if there is nothing to resample.

  Args:
    board: The scored board.
    unit: One of UNITS. 'workloads' answers another question: how much the
      ranking depends on the choice of workloads.
    draws: Number of draws.
    seed: Seed of the draws; the same seed gives the same intervals.
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
      cells = studies_again(rng, board, count)
    qualified = board.qualified(cells)
    if unit != 'studies':
      width = qualified.shape[-1]
      picks = rng.integers(0, width, (count, 1, 1, width))
      qualified = np.take_along_axis(qualified, picks, axis=-1)
    profiles = score.profile(qualified, taus).mean(axis=-3)
    parts.append((board.mean(qualified), profiles.astype(np.float32)))
  scores, profiles = (np.concatenate(part) for part in zip(*parts, strict=True))
  ranks = score.ranks(scores, board.closed)
  edges = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
  low, high = np.quantile(scores, edges, axis=0)
  rank_low, rank_high = np.quantile(ranks, edges, axis=0, method='nearest')
  ahead = scores[:, :, None] - scores[:, None, :]
  faster = (np.sign(np.round(ahead, 12)) + 1).mean(axis=0) / 2
  bands = np.quantile(profiles, edges, axis=0)
  return Spread(
    unit=unit,
    draws=draws,
    seed=seed,
    low=low,
    high=high,
    rank_low=rank_low,
    rank_high=rank_high,
    faster=faster,
    taus=taus,
    bands=bands,
  )


def interval(
  board: Board, spread: Spread | None, submission: str
) -> tuple[float, float] | None:
  """Return the interval of a submission's score.

  None without resampling, and where cells are open: draws of the studies that
  are there would count a missing one as if it were like them.

  Args:
    board: The scored board.
    spread: The resampled board, or None.
    submission: The submission's name.
  """
  n = board.times.submissions.index(submission)
  if spread is None or not board.closed[n]:
    return None
  return float(spread.low[n]), float(spread.high[n])


def rank_interval(
  board: Board, spread: Spread | None, submission: str
) -> tuple[int, int] | None:
  """Return the interval of a submission's rank.

  Args:
    board: The scored board.
    spread: The resampled board, or None.
    submission: The submission's name.

  Returns:
    (best rank, worst rank), or None without resampling or with open cells.
  """
  n = board.times.submissions.index(submission)
  if spread is None or not board.closed[n]:
    return None
  return int(spread.rank_low[n]), int(spread.rank_high[n])


def without(board: Board) -> dict[str, dict[str, float]]:
  """Return scores without one workload: {workload: {submission: score}}."""
  qualified = board.qualified(board.times.cells)
  found = {}
  for column, name in enumerate(board.rules.scored):
    rest = np.delete(qualified, column, axis=-1)
    if rest.shape[-1]:
      scores = board.mean(rest).tolist()
      found[name] = dict(zip(board.times.submissions, scores, strict=True))
  return found


def studies_again(
  rng: np.random.Generator, board: Board, count: int
) -> np.ndarray:
  """Return medians [count, R, N, W] of studies drawn with replacement.

  A draw is the same studies on every rung. Where seeds are shared, it is the
  same study numbers in all cells of a workload that have the same numbers; of
  cells with other numbers, see `_by_number`.

  Args:
    rng: Makes the draws.
    board: The scored board.
    count: Number of draws.
  """
  times = board.times
  counted = times.counted
  if times.paired and (counted != counted[:1]).any():
    return _by_number(rng, times, count)
  shape = counted.shape
  if times.paired:
    shape = (1, *shape[1:])
  draws = np.broadcast_to(rng.random((count, *shape)), (count, *counted.shape))
  found = np.full((count, *times.studies.shape[:-1]), np.nan)
  for rows, columns, values in times.groups():
    size = values.shape[-1]
    picks = (draws[:, rows, columns, :size] * size).astype(int)
    drawn = np.take_along_axis(values[None], picks[:, None], axis=-1)
    found[:, :, rows, columns] = score.medians(drawn)
  return found


def _by_number(
  rng: np.random.Generator, times: Times, count: int
) -> np.ndarray:
  """Return medians [count, R, N, W], where cells have other studies.

  Each workload has one endless list of study numbers, drawn with equal chances.
  A cell with k studies takes the first k numbers in it that it has. So each
  cell's draws are independent, and equally likely for each of its studies;
  cells with the same studies draw the same ones, and cells with some common
  studies share most draws of these. Places in the sorted studies of each cell,
  as for cells of equal size, would pair studies of different seeds.
  """
  _, workloads, size = times.counted.shape
  found = np.full((count, *times.studies.shape[:-1]), np.nan)
  for column in range(workloads):
    # A number that is rare in a cell is missing in the list with exp(-LONG).
    numbers = rng.integers(0, size, (count, LONG * size))
    masks, places = np.unique(
      times.counted[:, column], axis=0, return_inverse=True
    )
    for n, mask in enumerate(masks):
      mine, rows = np.flatnonzero(mask), np.flatnonzero(places.ravel() == n)
      if not mine.size:
        continue
      has = mask[numbers]
      order = np.argsort(~has, axis=-1, kind='stable')[:, : mine.size]
      picks = np.take_along_axis(numbers, order, axis=-1)
      lacking = np.logical_not(np.take_along_axis(has, order, axis=-1))
      picks = np.where(lacking, rng.choice(mine, picks.shape), picks)
      values = times.studies[:, rows, column]  # [R, C, S]
      drawn = values[:, :, picks]  # [R, C, count, k]
      found[:, :, rows, column] = np.moveaxis(score.medians(drawn), -1, 0)
  return found
