"""The leaderboard with all that explains it, from trials; no files."""

import collections
import math
from typing import Any, NamedTuple

import pandas as pd

from runner.rules import Row, Rules
from scoring import score
from scoring.read import Results
from scoring.trials import MISSING, Trial


class Cell(NamedTuple):
  """One submission on one workload. Times are charged seconds."""

  seconds: float  # The median over studies; inf: missed, NaN: open.
  ratio: float  # To the fastest.
  credit: float  # What it adds to the score, before the mean over workloads.
  studies: dict[int, float]  # The fastest trial's time of every study.
  trials: list[Trial]
  best: float  # The best value of the target metric in any trial.
  used: float  # The time spent by the trial with the best value.
  open: list[str]  # Why it is open; empty if it is not.

  @property
  def state(self) -> str:
    if self.open:
      return 'open'
    return 'reached' if math.isfinite(self.seconds) else 'missed'

  @property
  def hits(self) -> int:
    return sum(map(math.isfinite, self.studies.values()))


class Standing(NamedTuple):
  """One line of the leaderboard."""

  submission: str
  rank: int | None  # None with open cells.
  score: float  # So far, if there are open cells.
  best_case: float  # If every open cell were the fastest.
  reached: int  # Workloads.
  open_cells: int
  cells: dict[str, Cell]  # By workload.


class Board(NamedTuple):
  """A scored race."""

  rules: Rules
  standings: list[Standing]  # Best first, those without a rank last.

  @property
  def provisional(self) -> bool:
    """Whether an open cell may still change other submissions' scores."""
    return any(standing.open_cells for standing in self.standings)


def make(results: Results) -> Board:
  """Scores what was read."""
  rules = results.rules
  rows = [{**t.key._asdict(), 'seconds': t.hit} for t in results.trials]
  studies = score.study_times(pd.DataFrame(rows))
  times = score.workload_times(studies).reindex(columns=list(rules.workloads))
  tables: list[Any] = [
    table.to_dict('index')
    for table in (
      times,
      score.ratios(times),
      score.credit(times, rules.cutoff),
    )
  ]
  trials = collections.defaultdict(list)
  for trial in results.trials:
    trials[trial.key.submission, trial.key.workload].append(trial)
  per_study = collections.defaultdict(dict)
  for submission, workload, study, seconds in studies.itertuples(index=False):
    per_study[submission, workload][study] = seconds
  lines: Any = score.leaderboard(times, rules.cutoff).to_dict('index')
  standings = []
  for submission, line in lines.items():
    cells = {}
    for workload, row in rules.workloads.items():
      seconds, ratio, credit = (table[submission][workload] for table in tables)
      place = (submission, workload)
      found = trials[place]
      cells[workload] = Cell(
        seconds,
        ratio,
        credit,
        per_study[place],
        found,
        *_best(found, row),
        _open(found, row),
      )
    rank = line.pop('rank')
    rank = None if math.isnan(rank) else int(rank)
    standings.append(Standing(submission, rank, **line, cells=cells))
  return Board(rules, standings)


def spent(cell: Cell) -> dict[str, float]:
  """Mean seconds a trial by account of the clock; nothing of trials not run."""
  logged = [trial.accounts for trial in cell.trials if trial.accounts]
  names = dict.fromkeys(name for accounts in logged for name in accounts)
  return {
    name: sum(accounts.get(name, 0.0) for accounts in logged) / len(logged)
    for name in names
  }


def budget(cells: list[Cell]) -> float:
  """Charged seconds that a trial may use; inf where nothing says so."""
  found = [trial.budget for cell in cells for trial in cell.trials]
  return max(found, default=math.inf)


def _best(trials: list[Trial], row: Row) -> tuple[float, float]:
  """The best value of the target metric, and the time that its trial took."""
  best, used = math.nan, math.nan
  sign = 1 if row.better == 'lower' else -1
  for trial in trials:
    values = [sign * e.value for e in trial.evals if math.isfinite(e.value)]
    if values and not min(values) >= sign * best:
      best, used = sign * min(values), trial.seconds
  return best, used


def _open(trials: list[Trial], row: Row) -> list[str]:
  if not trials:
    return ['No trial of it is planned.']
  if row.target is None:
    return ['The workload has no target yet.']
  found = [
    f'Study {t.key.study}, trial {t.key.trial}: {t.state}. {t.reason}'
    for t in trials
    if t.open and t.state != MISSING
  ]
  missing = sum(t.state == MISSING for t in trials)
  if missing:
    found.append(f'{missing} of {len(trials)} trials not run.')
  return found
