"""Decide which cells need more studies, and how many, to tell ranks apart.

The difference of two scores varies because each cell has few studies. Cells are
drawn again one at a time, which splits the variance of every difference by
cell; a cell's part falls as 1 / studies. New studies go where they lower the
variance of the differences in doubt most per second (Neyman 1934,
doi:10.2307/2342192), and only to differences that can be made certain, as in
optimal computing budget allocation (Chen et al. 2000,
doi:10.1023/A:1008349927281). Parts by cell leave out that shared seeds move two
cells together; the draws that say in the end what is apart have that.
"""

import collections
import itertools
import math
from typing import NamedTuple

import numpy as np

from scoring.rank import score
from scoring.rank.board import Board
from scoring.rank.bootstrap import SURE, Spread

MOST = (
  20  # Studies of a cell; more would be needed for pairs that are too near.
)
# A normal difference is positive in SURE of the cases if it is so many standard
# deviations from 0.
REACH = 1.6449
EXACT = 5  # Up to so many studies, all draws of a cell are counted.
DRAWS = 200  # Draws of a cell with more studies.
SEED = 0


class Pair(NamedTuple):
  """Two ranked submissions that are not told apart, the better one first."""

  better: str
  worse: str
  share: float  # Share of the draws in which the better one scores higher.


class More(NamedTuple):
  """New studies of one cell."""

  submission: str
  workload: str
  studies: int  # Studies that count so far.
  more: int  # New studies.
  seconds: float  # Seconds that they take together.
  # Share of the variance of the differences in doubt that they remove; None for
  # the second study of a cell, whose noise is unknown.
  gain: float | None


class Allocation(NamedTuple):
  """New studies, and the pairs of ranks that they are for."""

  cells: list[More]  # Those that are worth most per second come first.
  doubted: list[Pair]  # Pairs that the new studies are for.
  near: list[Pair]  # Pairs that MOST studies of every cell would not part.
  single: int = 0  # Cells of ranked submissions with one study.

  @property
  def seconds(self) -> float:
    """Seconds of all new studies."""
    return sum(cell.seconds for cell in self.cells)


def allocate(
  board: Board,
  spread: Spread | None,
  seconds: np.ndarray,
  limit: float = math.inf,
) -> Allocation:
  """Return the new studies that would part the bands of ranks.

  Cells with one study get a second one before anything else is decided, because
  nothing is known of their noise.

  Args:
    board: The scored board.
    spread: The board with its studies resampled; None if there is one study.
    seconds: [N, W] seconds that one more study of each cell takes.
    limit: Seconds that all new studies may take.
  """
  doubted = _pairs(board, spread)
  if single := _second_studies(board, seconds):
    fits, spent = [], 0.0
    for cell in single:
      if spent + cell.seconds <= limit:
        fits.append(cell)
        spent += cell.seconds
    return Allocation(fits, doubted, [], len(single))
  if not doubted:
    return Allocation([], [], [])
  parts, gaps = _variances(board, doubted), _gaps(board, doubted)
  sizes = board.times.counted.sum(axis=-1)
  most = np.maximum(sizes, MOST)
  floor = _left(parts, sizes, most)
  parting = (gaps > 0) & (REACH * np.sqrt(floor) <= gaps)
  parting &= _left(parts, sizes, sizes) > 0  # Something can be learnt.
  near = [pair for pair, can in zip(doubted, parting, strict=True) if not can]
  doubted = [pair for pair, can in zip(doubted, parting, strict=True) if can]
  cells = _greedy(
    parts[:, :, parting],
    gaps[parting],
    sizes=sizes,
    seconds=seconds,
    limit=limit,
  )
  found = [
    More(
      submission=board.times.submissions[n],
      workload=list(board.rules.workloads)[w],
      studies=int(sizes[n, w]),
      more=more,
      seconds=more * float(seconds[n, w]),
      gain=gain,
    )
    for (n, w), (more, gain) in cells.items()
  ]
  found.sort(key=lambda cell: -(cell.gain or 0.0) / max(cell.seconds, 1e-9))
  return Allocation(found, doubted, near)


def _pairs(board: Board, spread: Spread | None) -> list[Pair]:
  """Return all pairs of ranked submissions that are not told apart."""
  if spread is None:
    return []
  ranked = [s.submission for s in board.standings if s.rank]
  index = board.times.submissions.index
  found = []
  for better, worse in itertools.combinations(ranked, 2):
    share = float(spread.faster[index(better), index(worse)])
    if share < SURE:
      found.append(Pair(better, worse, share))
  return found


def _second_studies(board: Board, seconds: np.ndarray) -> list[More]:
  """Return the cells with one study, the nearest neighbours' first.

  Equal scores come last, because most are 0 and stay so.
  """
  ranked = [s for s in board.standings if s.rank]
  if len(ranked) < 2:
    return []
  scores = [s.score for s in ranked]
  gaps = [
    min(abs(one - other) for k, other in enumerate(scores) if k != n)
    or math.inf
    for n, one in enumerate(scores)
  ]
  sizes = board.times.counted.sum(axis=-1)
  found = []
  for place in np.argsort(gaps, kind='stable'):
    name = ranked[place].submission
    n = board.times.submissions.index(name)
    for w, workload in enumerate(board.rules.workloads):
      if sizes[n, w] == 1:
        found.append(More(name, workload, 1, 1, float(seconds[n, w]), None))
  return found


def _gaps(board: Board, pairs: list[Pair]) -> np.ndarray:
  """Return the differences [P] of scores."""
  scores = {s.submission: s.score for s in board.standings}
  gaps = [scores[pair.better] - scores[pair.worse] for pair in pairs]
  return np.round(gaps, 12)  # As ranks are.


def _variances(board: Board, pairs: list[Pair]) -> np.ndarray:
  """Return the variances [N, W, P] of the differences of scores by cell."""
  times = board.times
  index = times.submissions.index
  better = [index(pair.better) for pair in pairs]
  worse = [index(pair.worse) for pair in pairs]
  found = np.zeros((*times.left_out.shape, len(pairs)))
  known = times.cells
  for n, w in np.argwhere(times.counted.sum(axis=-1) > 1):
    values = times.studies[:, n, w, times.counted[n, w]]
    size = values.shape[-1]
    if np.isnan(values).any() or (values == values[:, :1]).all():
      continue
    picks, weights = _draws(size)
    cells = np.repeat(known[None], len(picks), axis=0)
    cells[:, :, n, w] = score.medians(values[:, picks]).T
    scores = board.scores(cells)
    ahead = scores[:, better] - scores[:, worse]
    mean = weights @ ahead
    # Draws of k studies vary by (k - 1) / k of what new studies would.
    found[n, w] = weights @ (ahead - mean) ** 2 * size / (size - 1)
  return found


def _draws(size: int) -> tuple[np.ndarray, np.ndarray]:
  """Return draws [D, size] of studies with replacement, and their weights."""
  if size > EXACT:
    rng = np.random.default_rng(SEED)
    return rng.integers(0, size, (DRAWS, size)), np.full(DRAWS, 1 / DRAWS)
  picks = list(itertools.combinations_with_replacement(range(size), size))
  weights = [
    math.factorial(size)
    / math.prod(map(math.factorial, collections.Counter(pick).values()))
    for pick in picks
  ]
  return np.array(picks), np.array(weights) / size**size


def _left(parts: np.ndarray, sizes: np.ndarray, now: np.ndarray) -> np.ndarray:
  """Return the variances [P] of the differences with other numbers of studies.

  Args:
    parts: [N, W, P] variances by cell with `sizes` studies.
    sizes: [N, W] numbers of studies that count.
    now: [N, W] numbers of studies to compute the variances for.
  """
  shares = np.where(sizes > 0, sizes / np.maximum(now, 1), 0.0)
  return np.einsum('nwp,nw->p', parts, shares)


def _greedy(
  parts: np.ndarray,
  gaps: np.ndarray,
  *,
  sizes: np.ndarray,
  seconds: np.ndarray,
  limit: float,
) -> dict[tuple[int, int], tuple[int, float]]:
  """Return (new studies, gain) by cell, one study after the other.

  Each study goes to the cell where it removes most per second of the variance
  of the differences that are not yet expected to be certain.

  Args:
    parts: [N, W, P] variances by cell.
    gaps: [P] differences of scores.
    sizes: [N, W] numbers of studies so far.
    seconds: [N, W] seconds of one more study.
    limit: Seconds of all new studies.
  """
  now, spent = sizes.copy(), 0.0
  before = _left(parts, sizes, sizes)
  gains: dict[tuple[int, int], float] = collections.defaultdict(float)
  while True:
    left = _left(parts, sizes, now)
    # A pair in doubt needs something new, whatever the normal says of it.
    waiting = (REACH * np.sqrt(left) > gaps) | (left >= before)
    waiting &= before > 0
    if not waiting.any():
      break
    weights = parts[:, :, waiting] / before[waiting]
    step = np.where(sizes > 0, sizes / np.maximum(now, 1), 0.0) - np.where(
      sizes > 0, sizes / (now + 1), 0.0
    )
    gain = weights.mean(axis=-1) * step
    able = (now < MOST) & (gain > 0) & (spent + seconds <= limit)
    if not able.any():
      break
    worth = np.where(able, gain / np.maximum(seconds, 1e-9), -1.0)
    n, w = np.unravel_index(int(worth.argmax()), worth.shape)
    whole = parts[n, w] / before
    gains[int(n), int(w)] += float(whole.mean() * step[n, w])
    now[n, w] += 1
    spent += float(seconds[n, w])
  return {
    place: (int(now[place] - sizes[place]), gain)
    for place, gain in gains.items()
  }
