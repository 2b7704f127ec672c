"""Races of boards, and the ways in which each of them can be scored."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from runner.protocol import boards
from scoring.load import results as read
from scoring.load.projection import NONE
from scoring.load.results import Results
from scoring.rank import alternatives, board, times
from scoring.rank.board import Board
from tests.benchmarks import ladder


class Scored(NamedTuple):
  """One way to score one race."""

  race: str  # 'self', or with the world or the place where races differ by it.
  measure: str  # One of times.MEASURES.
  targets: str  # 'exact', '20% back' or 'ladder'.
  board: Board

  @property
  def scores(self) -> np.ndarray:
    """Scores [N] in the order of the board's submissions."""
    return self.board.scores(self.board.times.cells)

  @property
  def closed(self) -> list[str]:
    """Submissions without open cells."""
    names = self.board.times.submissions
    return [
      n for n, whole in zip(names, self.board.closed, strict=True) if whole
    ]

  def columns(self, names: list[str]) -> list[int]:
    """Return the places of submissions in arrays of this board."""
    return [self.board.times.submissions.index(name) for name in names]

  @property
  def head(self) -> str:
    """The first cells of a table's row."""
    return f'| {self.race} | {times.MEASURES[self.measure]} | {self.targets} |'


def opened(stack: contextlib.ExitStack, path: pathlib.Path) -> list[Results]:
  """Return the results of a race, judged by the suite of its plan.

  A race with untimed trials has a second reading, by steps: in the first one,
  seconds that are projected, or lacking, decide what is a hit.
  """
  folder = stack.enter_context(boards.opened(path))
  results = read.read(folder)
  found = [results]
  if results.effort == 'seconds' and results.projection != NONE:
    found.append(read.read(folder, effort='steps'))
  return [ladder.laddered(one) for one in found]


def labels(paths: list[pathlib.Path], found: list[Results]) -> list[str]:
  """Return different names: the ruleset, and the world or place if needed."""
  names = [results.ruleset or 'unknown' for results in found]
  spots = [f'world {"+".join(map(str, worlds(results)))}' for results in found]
  for more in (spots, map(str, paths)):
    if len(set(names)) == len(names):
      break
    names = [
      f'{results.ruleset or "unknown"} ({one})'
      for results, one in zip(found, more, strict=True)
    ]
  return names


def worlds(results: Results) -> tuple[int, ...]:
  """Return the worlds of a suite's workloads."""
  return tuple(sorted({row.world for row in results.rules.workloads.values()}))


def ways(name: str, results: Results) -> Iterator[Scored]:
  """Yield one race by targets and by every measure that ranks something."""
  whole = board.make(results)
  untimed = results.projection != NONE
  for targets, one in ladder.ways(results):
    if len(results.rules.ladder) == 1 and targets != 'exact':
      continue
    made = board.make(one)
    for measure in alternatives.measures(results, whole):
      if measure == 'steps' and results.effort != 'steps' and untimed:
        continue  # The reading by steps has it.
      again = made._replace(times=times.collect(one, measure))
      scored = Scored(name, measure, targets, again)
      if len(scored.closed) > 1:
        yield scored


def main_way(every: list[Scored]) -> Scored:
  """Return a race by steps if it has them, and by the ladder if it has one."""
  return max(
    every, key=lambda one: (one.measure == 'steps', one.targets == 'ladder')
  )
