"""Make the leaderboard, with all that explains it, from trials in memory."""

import collections
import math
from typing import NamedTuple

import numpy as np

from runner.protocol.suites.suite import Suite
from runner.protocol.suites.workload_spec import WorkloadSpec
from scoring.load.results import Results
from scoring.load.trial import HOPELESS, MISSING, Trial
from scoring.rank import score, times as tables
from scoring.rank.times import Times


class Cell(NamedTuple):
  """One submission on one workload. Times are charged seconds, or steps.

  Tuples have a value for each rung of the suite's ladder; the exact target is
  first. All else is about the exact target.
  """

  times: tuple[float, ...]  # Medians over studies; inf: missed, NaN: open.
  ratios: tuple[float, ...]  # Times divided by the fastest time that counts.
  credits: tuple[float, ...]  # Credit on each rung, 0 to 1; NaN: open.
  studies: dict[int, float]  # Time of every study that counts.
  trials: list[Trial]
  best: float  # Best value of the target metric in any trial.
  margin: float  # Distance from best value to target, divided by the target.
  used: float  # Seconds of the trial with the best value.
  outcome: str  # Outcome of the trial with the best value.
  open: list[str]  # Reasons why the cell is open; empty if closed.
  lost: str  # Reason why a reached target gives no credit, or ''.
  target: float | None = None  # Target of the suite, in units of the metric.
  effort: str = 'seconds'  # Unit of times, one of results.EFFORTS.

  @property
  def projected(self) -> int:
    """Number of trials whose seconds were read off a time profile."""
    return sum(trial.projected for trial in self.trials)

  @property
  def hopeless(self) -> int:
    """Number of trials that a forecast has stopped."""
    return sum(trial.state == HOPELESS for trial in self.trials)

  @property
  def seconds(self) -> float:
    """Median time to the exact target; inf: missed, NaN: open."""
    return self.times[0]

  @property
  def ratio(self) -> float:
    """Time to the exact target divided by the fastest time that counts."""
    return self.ratios[0]

  @property
  def credit(self) -> float:
    """Mean credit over the rungs, before the mean over workloads."""
    return sum(self.credits) / len(self.credits)

  @property
  def rungs(self) -> int:
    """Number of targets of the ladder that were reached."""
    return 0 if self.open else sum(map(math.isfinite, self.times))

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
  # Targets that were reached and not lost to a held-out variant: number of
  # scored workloads with the exact one, and of rungs over these workloads.
  reached: int
  rungs: int
  open_cells: int
  cells: dict[str, Cell]  # Cells by workload, held-out variants last.


class Board(NamedTuple):
  """A scored race."""

  rules: Suite
  integral: str  # 'exact' or 'published'.
  standings: list[Standing]  # Best first, submissions without a rank last.
  times: Times
  effort: str = 'seconds'  # Unit of times, one of results.EFFORTS.

  @property
  def provisional(self) -> bool:
    """True if an open cell may still change other submissions' scores."""
    return any(standing.open_cells for standing in self.standings)

  def scores(self, cells: np.ndarray) -> np.ndarray:
    """Return scores [..., N] of medians [..., R, N, W], ordered as `times`."""
    return self.mean(self.qualified(cells))

  def mean(self, qualified: np.ndarray) -> np.ndarray:
    """Return scores [..., N], means over rungs, of times [..., R, N, B]."""
    found = score.score(qualified, self.rules.cutoff, self.integral)
    return found.mean(axis=-2)

  def qualified(self, cells: np.ndarray) -> np.ndarray:
    """Return times [..., R, N, B] on B scored workloads, after all rules."""
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
  board = Board(rules, integral, [], found, results.effort)
  counted = board.qualified(found.cells)
  medians = found.scored(found.cells)
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
      here = np.full((3, len(rules.ladder)), np.nan)  # Held-out variants.
      if name in scored:
        b = scored.index(name)
        here = [table[:, n, b] for table in (ratios, credit, counted)]
      ratio, gain, after = (tuple(map(float, one)) for one in here)
      cell = Cell(
        tuple(medians[:, n, w].tolist()),
        ratio,
        gain,
        _studies(found, n, w, numbers),
        trials,
        *_best(trials, row),
        _open(trials, row, rules),
        '',
        row.target,
        results.effort,
      )
      cells[name] = cell._replace(lost=_lost(cell, after[0], rules, name))
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
  # A cell whose held-out variant is open may still lose or gain its credit.
  waiting = [math.isnan(cell.credit) for cell in scored]
  return Standing(
    submission=submission,
    rank=None,
    score=sum(_credit(cell, 0.0) for cell in scored) / len(scored),
    best_case=sum(_credit(cell, 1.0) for cell in scored) / len(scored),
    reached=sum(math.isfinite(cell.ratio) for cell in scored),
    rungs=sum(math.isfinite(r) for cell in scored for r in cell.ratios),
    open_cells=sum(waiting),
    cells=cells,
  )


def _credit(cell: Cell, waiting: float) -> float:
  """Return the mean credit over rungs, with `waiting` for open rungs."""
  found = [waiting if math.isnan(gain) else gain for gain in cell.credits]
  return sum(found) / len(found)


def _studies(found: Times, n: int, w: int, numbers: list[int]):
  return {
    number: float(found.studies[0, n, w, s])
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


def _lost(cell: Cell, after: float, rules: Suite, name: str) -> str:
  if not math.isfinite(cell.seconds) or cell.credit != 0:
    return ''
  if math.isfinite(after):
    return f'{cell.ratio:.1f} times the fastest time'
  held_out = [
    r.workload for r in rules.workloads.values() if r.held_out_of == name
  ]
  return f'{" or ".join(held_out)} missed or beyond the cutoff'
