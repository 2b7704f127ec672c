"""Make the leaderboard, with all that explains it, from trials in memory."""

import collections
import math
from typing import NamedTuple

import numpy as np

from runner.protocol.suite import Suite
from runner.protocol.workload_spec import WorkloadSpec
from scoring.load.results import Results
from scoring.load.trials import MISSING, Trial
from scoring.rank import score, times as tables
from scoring.rank.times import Times


class Cell(NamedTuple):
  """One submission on one workload. Times are charged seconds."""

  seconds: float  # Median over studies; inf: missed, NaN: open.
  ratio: float  # Time divided by the fastest time that counts.
  credit: float  # Credit before the mean over workloads, 0 to 1.
  studies: dict[int, float]  # Time of every study that counts.
  trials: list[Trial]
  best: float  # Best value of the target metric in any trial.
  margin: float  # Distance from best value to target, divided by the target.
  used: float  # Seconds of the trial with the best value.
  outcome: str  # Outcome of the trial with the best value.
  open: list[str]  # Reasons why the cell is open; empty if closed.
  lost: str  # Reason why a reached target gives no credit, or ''.
  target: float | None = None  # Target of the suite, in units of the metric.

  @property
  def state(self) -> str:
    """'open', 'reached' or 'missed'."""
    if self.open:
      return 'open'
    return 'reached' if math.isfinite(self.seconds) else 'missed'

  @property
  def hits(self) -> int:
    """Number of studies that reached the target."""
    return sum(map(math.isfinite, self.studies.values()))


class Standing(NamedTuple):
  """One line of the leaderboard."""

  submission: str
  rank: int | None  # Rank from 1 on; None with open cells.
  score: float  # Score; open cells count as 0.
  best_case: float  # Score if every open cell were the fastest.
  reached: int  # Number of scored workloads with credit.
  open_cells: int
  cells: dict[str, Cell]  # Cells by workload, held-out variants last.


class Board(NamedTuple):
  """A scored race."""

  rules: Suite
  integral: str  # 'exact' or 'published'.
  standings: list[Standing]  # Best first, submissions without a rank last.
  times: Times

  @property
  def provisional(self) -> bool:
    """True if an open cell may still change other submissions' scores."""
    return any(standing.open_cells for standing in self.standings)

  def scores(self, cells: np.ndarray) -> np.ndarray:
    """Return scores [..., N] of medians [..., N, W], ordered as `times`."""
    return score.score(self.qualified(cells), self.rules.cutoff, self.integral)

  def qualified(self, cells: np.ndarray) -> np.ndarray:
    """Return times [..., N, B] on the B scored workloads, after all rules."""
    return score.qualified(self.times.scored(cells), self.rules)

  @property
  def closed(self) -> np.ndarray:
    """Mask [N] of submissions without open cells, in the order of `times`."""
    open_cells = {s.submission: s.open_cells for s in self.standings}
    return np.array([not open_cells[name] for name in self.times.submissions])


def make(results: Results, integral: str = 'exact') -> Board:
  """Score results; `integral` is one of score.INTEGRALS."""
  rules = results.rules
  found = tables.collect(results)
  board = Board(rules, integral, [], found)
  medians = found.cells
  counted = board.qualified(medians)
  ratios = score.ratios(counted)
  credit = score.credit(ratios, rules.cutoff, integral)
  by_cell = collections.defaultdict(list)
  for trial in results.trials:
    by_cell[trial.key.submission, trial.key.workload].append(trial)
  names, scored = list(rules.workloads), list(rules.scored)
  numbers = sorted({trial.key.study for trial in results.trials})
  lines = []
  for n, submission in enumerate(found.submissions):
    cells = {}
    for name, row in rules.held_out_last.items():
      w = names.index(name)
      trials = by_cell[submission, name]
      ratio, gain, after = math.nan, math.nan, math.nan
      if name in scored:
        b = scored.index(name)
        ratio, gain, after = (x[n, b] for x in (ratios, credit, counted))
      cells[name] = Cell(
        float(found.scored(medians)[n, w]),
        float(ratio),
        float(gain),
        _studies(found, n, w, numbers),
        trials,
        *_best(trials, row),
        _open(trials, row, rules),
        _lost(
          medians[n, w], after, gain=gain, ratio=ratio, rules=rules, name=name
        ),
        row.target,
      )
    lines.append(_standing(submission, cells, rules))
  ranks = score.ranks(
    np.array([s.score for s in lines]),
    np.array([not s.open_cells for s in lines]),
  )
  lines = [
    line._replace(rank=None if math.isnan(rank) else int(rank))
    for line, rank in zip(lines, ranks, strict=True)
  ]
  lines.sort(key=lambda s: (s.rank or math.inf, -s.score, s.submission))
  return board._replace(standings=lines)


def spent(cell: Cell) -> dict[str, float]:
  """Return mean seconds per trial by clock account, over the trials run."""
  logged = [trial.accounts for trial in cell.trials if trial.accounts]
  names = dict.fromkeys(name for accounts in logged for name in accounts)
  return {
    name: sum(accounts.get(name, 0.0) for accounts in logged) / len(logged)
    for name in names
  }


def budget(cells: list[Cell]) -> float:
  """Return the charged seconds that a trial may use; inf if unknown."""
  found = [trial.budget for cell in cells for trial in cell.trials]
  return max(found, default=math.inf)


def _standing(submission: str, cells: dict[str, Cell], rules: Suite):
  scored = [cells[name] for name in rules.scored]
  gains = [cell.credit for cell in scored]
  # A cell whose held-out variant is open may still lose or gain its credit.
  waiting = [math.isnan(gain) for gain in gains]
  return Standing(
    submission=submission,
    rank=None,
    score=sum(0.0 if math.isnan(g) else g for g in gains) / len(gains),
    best_case=sum(1.0 if math.isnan(g) else g for g in gains) / len(gains),
    reached=sum(math.isfinite(cell.ratio) for cell in scored),
    open_cells=sum(waiting),
    cells=cells,
  )


def _studies(found: Times, n: int, w: int, numbers: list[int]):
  return {
    number: float(found.studies[n, w, s])
    for s, number in enumerate(numbers)
    if found.counted[n, w, s]
  }


def _best(
  trials: list[Trial], row: WorkloadSpec
) -> tuple[float, float, float, str]:
  """Return the best value, its margin, and its trial's time and state."""
  sign = 1 if row.better == 'lower' else -1
  best, used, outcome = math.nan, math.nan, ''
  for trial in trials:
    values = sign * trial.evals.values[np.isfinite(trial.evals.values)]
    if values.size and not values.min() >= sign * best:
      best = float(sign * values.min())
      used, outcome = trial.seconds, trial.state
  margin = math.nan
  if row.target is not None:
    margin = sign * (best - row.target) / (abs(row.target) or 1.0)
  return best, margin, used, outcome or (trials[0].state if trials else '')


def _open(trials: list[Trial], row: WorkloadSpec, rules: Suite) -> list[str]:
  if not trials:
    return ['No trial is planned for this cell.']
  if row.target is None:
    return ['The workload has no target yet.']
  found = [
    f'Study {t.key.study}, trial {t.key.trial}: {t.state}. {t.reason}'
    for t in trials
    if t.open and t.state != MISSING
  ]
  missing = sum(t.state == MISSING for t in trials)
  if missing and rules.interpretation.missing == 'open':
    found.append(f'{missing} of {len(trials)} trials were not run.')
  return found


def _lost(median, after, gain, ratio, rules: Suite, name: str) -> str:
  if not math.isfinite(median) or gain != 0:
    return ''
  if math.isfinite(after):
    return f'{ratio:.1f} times the fastest time'
  held_out = [
    r.workload for r in rules.workloads.values() if r.held_out_of == name
  ]
  return f'{" or ".join(held_out)} missed or beyond the cutoff'
