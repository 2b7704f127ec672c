"""Marks of figures: the time to the target of every study of a cell.

A miss is censored: its mark is at the time that was tried, because the time to
the target is only known to be longer.
"""

import math
from typing import NamedTuple

from scoring.rank import board as boards
from scoring.rank.board import Board, Cell


class Mark(NamedTuple):
  """One study of a cell."""

  study: int
  seconds: float  # Charged seconds to the target, or tried without a hit.
  kind: str  # 'hit', 'censored' or 'open'.
  outcome: str  # Outcome of the trial that ran longest.
  effort: str  # Unit of `seconds`, see Cell.


def marks(cell: Cell) -> list[Mark]:
  """Return a mark for each study that counts."""
  found = []
  for study, seconds in cell.studies.items():
    tried = [trial for trial in cell.trials if trial.key.study == study]
    longest = max(tried, key=lambda trial: trial.seconds)
    kind = 'open' if math.isnan(seconds) else 'censored'
    if math.isfinite(seconds):
      found.append(Mark(study, seconds, 'hit', 'reached', cell.effort))
    else:
      found.append(
        Mark(study, longest.seconds, kind, longest.state, cell.effort)
      )
  return found


def extent(board: Board, workload: str) -> tuple[float, float]:
  """Return the last second to show, and the budget (inf if unknown)."""
  cells = [standing.cells[workload] for standing in board.standings]
  budget = boards.budget(cells)
  last = max((m.seconds for cell in cells for m in marks(cell)), default=0.0)
  return max(last, budget if math.isfinite(budget) else 0.0) or 1.0, budget
