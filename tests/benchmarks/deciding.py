"""Compare trials of `run --decide` with equal numbers of studies, simulated.

    python -m tests.benchmarks.deciding [RACES]

Each race has eight submissions, 2 % apart in their mean time, on nine
workloads. The time of a cell differs from that by up to a fifth, and its noise
(log-normal) is 2, 5 or 30 %, for half, 30 % and 20 % of the cells. A race
begins with three studies of every cell. One way adds a study to every cell
until there are eight; the other one adds what `decide` says. True ranks are
those of the times without noise. A pair counts as told apart if neither band
has the other one's rank.
"""

import itertools
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from scoring.rank import allocation, bands, board, bootstrap
from scoring.rank.board import Board
from scoring.rank.bootstrap import Spread
from tests.support import made_boards

WORKLOADS = 'abcdefghi'
ENTRIES = [f's{n}' for n in range(8)]
FIRST, LAST = 3, 8  # Studies of each cell.
RACES = 30
DRAWS = 400

Cells = dict[tuple[str, str], float]


class Standing(NamedTuple):
  """Results of one race at one time."""

  trials: int
  width: float  # Mean number of further ranks in a band.
  apart: int  # Pairs that are told apart.
  wrong: int  # Of these, in the wrong order.


def main(races: int = RACES) -> None:
  """Print a table of the means over races."""
  ways = {
    f'{FIRST} studies of each cell': [],
    f'{LAST} studies of each cell': [],
    '`decide`': [],
  }
  few, many, decided = ways.values()
  for seed in range(races):
    equal = race(seed, everything)
    few.append(equal[0])
    many.append(equal[-1])
    decided.append(race(seed, advised)[-1])
  pairs = races * len(ENTRIES) * (len(ENTRIES) - 1) // 2
  print('| way | trials | band | told apart | of these wrong |')
  print('|---|---|---|---|---|')
  for name, found in ways.items():
    trials, width, *_ = np.mean(found, axis=0)
    *_, apart, wrong = np.sum(found, axis=0)
    share = 100 * apart / pairs
    print(
      f'| {name} | {trials:.0f} | {1 + width:.2f} | {share:.1f} % | '
      f'{wrong:.0f} of {apart:.0f} |'
    )


def race(
  seed: int, wanted: Callable[[Board, Spread], list[tuple[str, str]]]
) -> list[Standing]:
  """Return the standings of a simulated race after each round.

  Args:
    seed: Seed of the race.
    wanted: Returns the cells that get one more study; none ends the race.
  """
  rng = np.random.default_rng(seed)
  cells = list(itertools.product(ENTRIES, WORKLOADS))
  true = {
    (name, workload): 10 * 1.02**n * rng.uniform(0.8, 1.25)
    for n, name in enumerate(ENTRIES)
    for workload in WORKLOADS
  }
  noise = rng.choice([0.02, 0.05, 0.3], p=[0.5, 0.3, 0.2], size=len(cells))
  # The same studies of a cell are seen by both ways.
  times = {
    cell: true[cell]
    * np.random.default_rng([seed, n]).lognormal(
      0, noise[n], allocation.MOST
    )
    for n, cell in enumerate(cells)
  }  # fmt: skip
  sizes = dict.fromkeys(cells, FIRST)
  found = []
  while True:
    scored = made(
      {
        (*cell, study, 1): float(times[cell][study])
        for cell, size in sizes.items()
        for study in range(size)
      }
    )
    spread = bootstrap.bootstrap(scored, draws=DRAWS)
    assert spread is not None
    found.append(_standing(scored, spread, sum(sizes.values()), true))
    more = wanted(scored, spread)
    if not more:
      return found
    for cell in more:
      sizes[cell] += 1


def everything(scored: Board, spread: Spread) -> list[tuple[str, str]]:
  """Return all cells until each has LAST studies."""
  del spread  # It decides nothing.
  if scored.times.counted.sum(axis=-1).max() == LAST:
    return []
  return list(itertools.product(ENTRIES, WORKLOADS))


def advised(scored: Board, spread: Spread) -> list[tuple[str, str]]:
  """Return the cells that `decide` names, all of which take the same time."""
  seconds = np.ones((len(ENTRIES), len(WORKLOADS)))
  found = allocation.allocate(scored, spread, seconds)
  return [(cell.submission, cell.workload) for cell in found.cells]


def made(hits: dict) -> Board:
  """Return the board of made-up times."""
  return board.make(made_boards.results(made_boards.rules(*WORKLOADS), hits))


def _standing(
  scored: Board, spread: Spread, trials: int, true: Cells
) -> Standing:
  """Return what a board says, and what of it is wrong."""
  best = {
    one.submission: one.score
    for one in made({(*c, 0, 1): t for c, t in true.items()}).standings
  }
  known = bands.bands(scored, spread)
  ranked = list(known)
  apart = [
    (better, worse)
    for n, better in enumerate(ranked)
    for worse in ranked[known[better].last :]
    if worse not in ranked[: n + 1]
  ]
  return Standing(
    trials,
    float(np.mean([band.last - band.first for band in known.values()])),
    len(apart),
    sum(best[better] < best[worse] for better, worse in apart),
  )


if __name__ == '__main__':
  main(*map(int, sys.argv[1:]))
