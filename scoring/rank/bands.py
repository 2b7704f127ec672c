"""Bands of ranks: the ranks that resampling cannot tell apart."""

from typing import NamedTuple

import numpy as np

from scoring.rank.board import Board
from scoring.rank.bootstrap import SURE, Spread


class Band(NamedTuple):
  """First and last rank of entries that cannot be told apart from one."""

  first: int
  last: int

  def __str__(self) -> str:
    """The band in print: '2', or '1–3'."""
    same = self.first == self.last
    return str(self.first) if same else f'{self.first}–{self.last}'


def bands(board: Board, spread: Spread | None) -> dict[str, Band]:
  """Return the bands of all ranked submissions; {} without resampling.

  Two entries are told apart if the one with the better rank, and everything
  above it, scores higher than the other one, and everything below that, in at
  least SURE of the draws. An entry's band goes from the first to the last place
  that is not told apart from its own.

  So bands contradict neither each other nor the ranking: an entry's rank is in
  its own band; A's band has B's rank exactly if B's has A's; a better rank has
  no later band; and if the first one's band is 1–4, no two of the ranks from 1
  to 4 are told apart. Intervals of single ranks (`rank_interval`) promise none
  of that: A's may reach B's rank while B's stays below A's. Comparisons of
  pairs alone do not either: if noise lets the third pass for the first, the
  second, which is slower than the first, may be either.

  Args:
    board: The scored board.
    spread: The resampled board, or None.
  """
  ranked = [s.submission for s in board.standings if s.rank]
  if spread is None or not ranked:
    return {}
  together = not_apart(board, spread)
  found = {}
  for place, name in enumerate(ranked):
    with_it = np.flatnonzero(together[place])
    found[name] = Band(int(with_it[0]) + 1, int(with_it[-1]) + 1)
  return found


def not_apart(board: Board, spread: Spread) -> np.ndarray:
  """Return which places [P, P] of the ranking are not told apart.

  Args:
    board: The scored board.
    spread: The resampled board.
  """
  index = board.times.submissions.index
  order = [index(s.submission) for s in board.standings if s.rank]
  ahead = spread.faster[np.ix_(order, order)] >= SURE
  open_pairs = np.triu(np.logical_not(ahead), 1)
  # A pair in doubt puts every pair between its places in doubt.
  below = np.maximum.accumulate(open_pairs[:, ::-1], axis=1)[:, ::-1]
  both = np.triu(np.maximum.accumulate(below, axis=0), 1)
  return both | both.T | np.eye(len(order), dtype=bool)


def groups(board: Board, spread: Spread | None) -> list[list[str]]:
  """Return groups of submissions that cannot be told apart, best first.

  Groups are as large as possible, and may overlap: first and second, second and
  third. Without resampling, all ranked submissions are in one group.

  Args:
    board: The scored board.
    spread: The resampled board, or None.
  """
  ranked = [s.submission for s in board.standings if s.rank]
  if spread is None:
    return [ranked] if len(ranked) > 1 else []
  known = bands(board, spread)
  found: list[list[str]] = []
  reached = 0
  for place, name in enumerate(ranked):
    last = known[name].last
    if last > max(reached, place + 1):
      found.append(ranked[place:last])
    reached = max(reached, last)
  return found


def shown(known: dict[str, Band], submission: str, rank: int | None) -> str:
  """Return the rank in print: the band if there is one, '–' without a rank.

  Args:
    known: Bands by submission, of `bands`.
    submission: Name of the submission.
    rank: Its rank by the scores alone.
  """
  return str(known.get(submission) or rank or '–')
