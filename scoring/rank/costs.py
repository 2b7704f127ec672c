"""Summarize costs beside the time to the target: clock accounts and memory."""

import collections
import math
from typing import NamedTuple

import numpy as np

from runner.protocol.plan import TrialKey
from runner.protocol.timing import accounts
from runner.protocol.timing.accounts import Charges
from scoring.load import details as records
from scoring.load.details import Details
from scoring.load.results import Results
from scoring.rank import board as boards
from scoring.rank.board import Board


class Bar(NamedTuple):
  """Mean seconds of a trial of one submission on one workload."""

  index: int  # Position of the submission on the board.
  submission: str
  # (account, start in %, width in %, seconds)
  parts: list[tuple[str, float, float, float]]
  charged: float  # Of these parts, what the suite charges.
  trace: float
  compile: float
  data: float
  overrun: float  # Charged seconds of evaluations beyond their allowance.
  free: list[tuple[str, float]]  # Seconds of each account that is not charged.
  free_seconds: float


class Memory(NamedTuple):
  """Peak bytes over all trials of one submission on one workload."""

  optimizer: int | None  # Bytes of state beside the model.
  places: dict[str, int]  # Peak bytes of the process: 'host', 'device'.


def clocks(board: Board) -> dict[str, list[Bar]]:
  """Return bars by workload, scaled to 100 % for the workload's longest bar."""
  made = {}
  for workload in board.rules.workloads:
    found = [boards.spent(s.cells[workload]) for s in board.standings]
    longest = max((sum(spent.values()) for spent in found), default=0)
    made[workload] = [
      _bar(index, standing.submission, spent, longest, board.rules.charges)
      for index, (standing, spent) in enumerate(
        zip(board.standings, found, strict=True)
      )
      if spent
    ]
  return {workload: bars for workload, bars in made.items() if bars}


def study_seconds(results: Results, board: Board) -> np.ndarray:
  """Return the wall seconds [N, W] that one study of each cell takes.

  Seconds are the mean over the trials that ran, times the trials of a study;
  where none ran, the mean of the workload, or its budget.

  Args:
    results: The results that the board was made from.
    board: The scored board.
  """
  names = list(board.rules.workloads)
  shape = (len(board.times.submissions), len(names))
  sums, counts = np.zeros(shape), np.zeros(shape)
  trials = {trial.key.trial for trial in results.trials}
  for trial in results.trials:
    seconds = records.read(trial, None).wall or trial.seconds
    if math.isfinite(seconds) and seconds > 0:
      place = (
        board.times.submissions.index(trial.key.submission),
        names.index(trial.key.workload),
      )
      sums[place] += seconds
      counts[place] += 1
  others = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
  budgets = np.array([results.budgets.get(name, 0.0) for name in names])
  others = np.where(counts.sum(axis=0) > 0, others, budgets)
  mean = np.where(counts > 0, sums / np.maximum(counts, 1), others)
  return len(trials) * mean


def memory(
  board: Board, details: dict[TrialKey, Details]
) -> dict[str, dict[str, Memory]]:
  """Return memory by submission and workload; {} if nothing is recorded."""
  found = {
    standing.submission: {
      workload: _most([details[trial.key] for trial in cell.trials])
      for workload, cell in standing.cells.items()
    }
    for standing in board.standings
  }
  known = [cell for cells in found.values() for cell in cells.values()]
  return found if any(c.optimizer or c.places for c in known) else {}


def _bar(
  index: int,
  submission: str,
  spent: dict[str, float],
  longest: float,
  charges: Charges,
) -> Bar:
  free = [(a, s) for a, s in spent.items() if a not in accounts.WORK]
  free_seconds = sum(seconds for _, seconds in free)
  worked = [(account, spent.get(account, 0.0)) for account in accounts.WORK]
  parts: list[tuple[str, float, float, float]] = []
  at = 0.0
  for kind, seconds in [*worked, ('free', free_seconds)]:
    width = 100 * seconds / longest if longest else 0.0
    parts.append((kind, at, width, seconds))
    at += width
  return Bar(
    index=index,
    submission=submission,
    parts=parts,
    charged=charges.of(spent),
    trace=spent.get(accounts.TRACE, 0.0),
    compile=spent.get(accounts.COMPILE, 0.0),
    data=spent.get('data', 0.0),
    overrun=spent.get(accounts.OVERRUN, 0.0),
    free=free,
    free_seconds=free_seconds,
  )


def _most(found: list[Details]) -> Memory:
  places: dict[str, int] = collections.defaultdict(int)
  for known in found:
    for place, count in known.memory.items():
      places[place] = max(places[place], count)
  sizes = [known.optimizer for known in found if known.optimizer is not None]
  return Memory(max(sizes, default=None), dict(places))
