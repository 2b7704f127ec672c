"""The same logs otherwise read: rules, measures of effort, comparisons.

Where a published board was computed otherwise than its rules say, both scores
belong side by side; so do scores by steps and by time.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from runner.protocol.workload_spec import INTERPRETATIONS, Interpretation
from scoring.load import pruned
from scoring.load.results import Results
from scoring.rank import score, times as tables
from scoring.rank.board import Board

DOCUMENTED = Interpretation(
  missing='missed'
)  # A study that was not run is no hit.


class Departure(NamedTuple):
  """A rule that a board reads otherwise than it is documented."""

  rule: str  # Of Reading; 'integral' for that.
  here: str  # What this board does.
  documented: str


class Difference(NamedTuple):
  """A submission whose score hangs on how one rule is read."""

  departure: Departure
  submission: str
  score: float  # On this board.
  other: float  # As documented.


class Speedup(NamedTuple):
  """Times of a reference over those of a submission: 2 is twice as fast."""

  submission: str
  geometric: float  # Over all workloads; a miss takes the whole budget.
  arithmetic: float  # Likewise.
  both: float  # Geometric, over the workloads that both reached.
  shared: int  # How many these are.


def departures(board: Board) -> list[Departure]:
  """Where the board departs from the documented rules."""
  found = []
  for rule, value in vars(board.rules.interpretation).items():
    documented = getattr(DOCUMENTED, rule)
    # An open cell has no score yet, and so differs in none.
    if value not in (documented, 'open'):
      words = INTERPRETATIONS[rule]
      found.append(Departure(rule, words[value], words[documented]))
  if board.integral != 'exact':
    here = f'the area is that of trapezoids on {score.GRID} points'
    found.append(Departure('integral', here, 'the area is exact'))
  return found


def differences(results: Results, board: Board) -> list[Difference]:
  """What each departure does to the scores."""
  here = _scores(results, board)
  found = []
  for departure in departures(board):
    other = _scores(*_documented(results, board, departure.rule))
    found += [
      Difference(departure, name, here[name], other[name])
      for name in (standing.submission for standing in board.standings)
      if abs(here[name] - other[name]) > 1e-9
    ]
  return found


def measures(results: Results, board: Board) -> dict[str, dict[str, float]]:
  """Scores by every measure of effort: {measure: {submission: score}}.

  A measure that some hit does not have is left out, and so are all but seconds
  where trials were beaten: they may have led by another.
  """
  found = {}
  stopped = any(trial.state == pruned.STATE for trial in results.trials)
  for what in ('seconds',) if stopped else tables.MEASURES:
    hits = [t.measured(what) for t in results.trials if t.at is not None]
    if any(map(math.isnan, hits)):
      continue
    found[what] = _scores(results, board, what)
  return found


def speedups(results: Results, board: Board, reference: str) -> list[Speedup]:
  """How many times faster than the reference, by raw medians.

  Neither the cutoff nor held-out variants take part. Workloads that are open
  for either are left out, and so are misses where no budget is known.
  """
  names = list(board.rules.workloads)
  columns = [names.index(name) for name in board.rules.scored]
  budgets = np.array(
    [results.budgets.get(name, math.nan) for name in board.rules.scored]
  )
  raw = board.times.scored(board.times.cells)[:, columns]
  filled = np.where(np.isinf(raw), budgets[None], raw)
  base = board.times.submissions.index(reference)
  found = []
  for n, submission in enumerate(board.times.submissions):
    ratios = filled[base] / filled[n]
    ratios = ratios[np.isfinite(ratios)]
    both = np.isfinite(raw[base]) & np.isfinite(raw[n])
    shared = raw[base][both] / raw[n][both]
    found.append(
      Speedup(
        submission,
        _geometric(ratios),
        float(ratios.mean()) if ratios.size else math.nan,
        _geometric(shared),
        int(both.sum()),
      )
    )
  return found


def reference(board: Board, wanted: str | None = None) -> str:
  """Whom the others are compared with: the rules' reference, or the leader.

  Raises:
    ValueError: the one wanted is not on the board.
  """
  known = [s.submission for s in board.standings]
  if wanted is not None and wanted not in known:
    raise ValueError(
      f'No submission {wanted!r} on this board to compare with. '
      f'It has: {", ".join(known)}.'
    )
  choices = (wanted, board.rules.reference, 'baseline', known[0])
  return next(name for name in choices if name in known)


def _geometric(values: np.ndarray) -> float:
  return float(np.exp(np.log(values).mean())) if values.size else math.nan


def _documented(
  results: Results, board: Board, rule: str
) -> tuple[Results, Board]:
  """The same with one rule read as documented."""
  if rule == 'integral':
    return results, board._replace(integral='exact')
  documented = {rule: getattr(DOCUMENTED, rule)}
  rules = dataclasses.replace(
    board.rules,
    interpretation=dataclasses.replace(
      board.rules.interpretation, **documented
    ),
  )
  trials = results.trials
  if rule == 'late':
    trials = [
      trial.until(results.budgets.get(trial.key.workload, math.inf))
      for trial in trials
    ]
  read = dataclasses.replace(results, rules=rules, trials=trials)
  return read, board._replace(rules=rules)


def _scores(
  results: Results, board: Board, what: str = 'seconds'
) -> dict[str, float]:
  """By submission, of the board's rules on these results."""
  times = tables.collect(results, what)
  scores = board._replace(times=times).scores(times.cells)
  return dict(zip(times.submissions, scores.tolist(), strict=True))
