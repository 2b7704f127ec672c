"""Scores of a board with its workloads and studies drawn again.

Like `scoring/rank/bootstrap.py`, but any number of workloads or studies can be
drawn, and all draws are kept: they can be compared with those of another board,
because draws of workloads are the same for all boards.
"""

import math

import numpy as np

from scoring.rank import bootstrap, score
from scoring.rank.board import Board

DRAWS = 2000
EDGES = [0.05, 0.95]  # Of 90 % intervals.
P90 = 1.2815515655446004  # 90th percentile of a standard normal variable.


def again(
  found: Board, width: int | None = None, cells: np.ndarray | None = None
) -> np.ndarray:
  """Return scores [DRAWS, N] with workloads and studies drawn again.

  Args:
    found: The board.
    width: Number of workloads to draw; None: as many as there are.
    cells: Medians [DRAWS, R, N, W]; None: studies are drawn where a board has
      several, and stay as they are otherwise.
  """
  if cells is None:
    cells = np.broadcast_to(
      found.times.cells, (DRAWS, *found.times.cells.shape)
    )
    if found.times.counted.sum(axis=-1).max() > 1:
      rng = np.random.default_rng([bootstrap.SEED, 1])
      cells = bootstrap.studies_again(rng, found, DRAWS)
  qualified = found.qualified(cells)
  size = qualified.shape[-1]
  rng = np.random.default_rng(bootstrap.SEED)
  picks = rng.integers(0, size, (DRAWS, 1, 1, width or size))
  return found.mean(np.take_along_axis(qualified, picks, axis=-1))


def whole_studies(found: Board) -> np.ndarray:
  """Return times [R, N, W, S] of the studies that all cells have."""
  return found.times.studies[..., found.times.counted.all(axis=(0, 1))]


def by_study(found: Board) -> list[np.ndarray]:
  """Return the scores [N] of every study that all cells have, alone."""
  return [
    found.scores(cells) for cells in np.moveaxis(whole_studies(found), -1, 0)
  ]


def drawn_studies(studies: np.ndarray, count: int) -> np.ndarray:
  """Return medians [DRAWS, R, N, W] over `count` studies drawn again.

  A draw has the same studies in all cells of a workload, because these share
  their seeds.

  Args:
    studies: Times [R, N, W, S].
    count: Number of studies to draw.
  """
  rng = np.random.default_rng([bootstrap.SEED, 1])
  *shape, size = studies.shape
  found = np.empty((DRAWS, *shape))
  for column in range(shape[-1]):
    picks = rng.integers(0, size, (DRAWS, count))
    drawn = studies[:, :, column][:, :, picks]  # [R, N, DRAWS, count]
    found[..., column] = np.moveaxis(score.medians(drawn), -1, 0)
  return found


def noisy(cells: np.ndarray, noise: list[float], count: int) -> np.ndarray:
  """Return medians [DRAWS, R, N, W] over `count` studies of a model.

  A study's time is the cell's, times a log-normal factor that is the same on
  all rungs. The sizes of the noise of cells are log-normal too. Misses stay
  misses, so the model leaves out studies that miss a target by chance.

  Args:
    cells: Times [R, N, W].
    noise: Size of the noise in the median cell, and its 90th percentile.
    count: Number of studies.
  """
  rng = np.random.default_rng([bootstrap.SEED, 1])
  usual, high = noise
  spread = math.log(high / usual) / P90
  sizes = usual * rng.lognormal(0, spread, cells.shape[1:])
  drawn = rng.standard_normal((DRAWS, *cells.shape[1:], count))
  factors = score.medians(np.exp(sizes[..., None] * drawn))
  return cells * factors[:, None]


def apart(scores: np.ndarray) -> tuple[float, float]:
  """Return the mean width of 90 % intervals, and the share of pairs told apart.

  Two submissions are told apart if one scores higher in bootstrap.SURE of the
  draws.

  Args:
    scores: Scores [DRAWS, N].
  """
  low, high = np.quantile(scores, EDGES, axis=0)
  first, second = np.triu_indices(scores.shape[-1], 1)
  ahead = np.sign(np.round(scores[:, first] - scores[:, second], 12))
  share = ((ahead + 1) / 2).mean(axis=0)
  sure = np.maximum(share, 1 - share) >= bootstrap.SURE
  return float((high - low).mean()), float(sure.mean())
