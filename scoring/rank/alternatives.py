"""Alternative scores from the same logs: other rules, measures and references.

Some published boards were computed otherwise than their rules say. The report
shows both scores, and scores by steps next to scores by time.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from runner.protocol.suites.workload_spec import INTERPRETATIONS, Interpretation
from scoring.load.results import Results
from scoring.load.trial import BEATEN
from scoring.rank import score, times as tables
from scoring.rank.board import Board

# A study that was not run counts as a miss.
DOCUMENTED = Interpretation(missing='missed')


class Departure(NamedTuple):
  """A rule that a board applies otherwise than documented."""

  rule: str  # Field of Interpretation, or 'integral'.
  here: str  # This board's way, in words.
  documented: str  # Documented way, in words.


class Difference(NamedTuple):
  """A submission whose score depends on how one rule is applied."""

  departure: Departure
  submission: str
  score: float  # Score on this board.
  other: float  # Score under the documented rule.


class Speedup(NamedTuple):
  """Time of the reference divided by a submission's: 2 is twice as fast."""

  submission: str
  # Means over all workloads and rungs; a miss takes the whole budget.
  geometric: float
  arithmetic: float
  both: float  # Geometric mean over the rungs that both reached.
  shared: int  # Number of workloads where both reached a target.


def departures(board: Board) -> list[Departure]:
  """Return the rules that the board applies otherwise than documented."""
  found = []
  for rule, value in vars(board.rules.interpretation).items():
    documented = getattr(DOCUMENTED, rule)
    # An open cell has no score yet, so no score can differ.
    if value not in (documented, 'open'):
      words = INTERPRETATIONS[rule]
      found.append(Departure(rule, words[value], words[documented]))
  if board.integral != 'exact':
    here = f'the area is computed by trapezoids on {score.GRID} points'
    found.append(Departure('integral', here, 'the area is exact'))
  return found


def differences(results: Results, board: Board) -> list[Difference]:
  """Return the scores that change under each documented rule."""
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
  """Return scores by measure of effort: {measure: {submission: score}}.

  Measures that a hit did not record are left out. If trials were stopped as
  beaten, only seconds remain: by another measure these trials might have won.
  """
  found = {}
  stopped = any(trial.state == BEATEN for trial in results.trials)
  other = 'compiled' if board.rules.charges.compiling else 'whole'
  names = ('seconds',) if stopped else ('seconds', other, 'steps')
  if results.effort == 'steps':
    names = ('steps',)
  for what in names:
    if any(map(math.isnan, _hits(results, what))):
      continue
    found[what] = _scores(results, board, what)
  return found


def speedups(results: Results, board: Board, reference: str) -> list[Speedup]:
  """Return every submission's speed relative to the reference.

  The means are over raw medians, without the cutoff and held-out variants.
  Workloads that are open for the submission or for the reference are left out.
  Misses are left out if no budget is known.

  Args:
    results: The trials and budgets.
    board: The scored board.
    reference: Name of the submission to compare with.
  """
  names = list(board.rules.workloads)
  columns = [names.index(name) for name in board.rules.scored]
  budgets = np.array(
    [results.budgets.get(name, math.nan) for name in board.rules.scored]
  )
  raw = board.times.scored(board.times.cells)[..., columns]  # [R, N, B]
  filled = np.where(np.isinf(raw), budgets, raw)
  base = board.times.submissions.index(reference)
  found = []
  for n, submission in enumerate(board.times.submissions):
    ratios = filled[:, base] / filled[:, n]
    ratios = ratios[np.isfinite(ratios)]
    both = np.isfinite(raw[:, base]) & np.isfinite(raw[:, n])
    shared = raw[:, base][both] / raw[:, n][both]
    found.append(
      Speedup(
        submission,
        _geometric(ratios),
        float(ratios.mean()) if ratios.size else math.nan,
        _geometric(shared),
        int(both.any(axis=0).sum()),
      )
    )
  return found


def reference(board: Board, wanted: str | None = None) -> str:
  """Return the submission that speedups compare with.

  The order of preference: `wanted`, the suite's reference, 'baseline', the
  leader.

  Raises:
    ValueError: `wanted` is not on the board.
  """
  known = [s.submission for s in board.standings]
  if wanted is not None and wanted not in known:
    raise ValueError(
      f'No submission {wanted!r} on this board to compare with. Set --against '
      f'to one of: {", ".join(known)}.'
    )
  choices = (wanted, board.rules.reference, 'baseline', known[0])
  return next(name for name in choices if name in known)


def _hits(results: Results, what: str) -> list[float]:
  """Return the effort of every hit on every rung."""
  return [
    trial.measured(what, rung)
    for trial in results.trials
    for rung, at in enumerate(trial.hits)
    if at is not None
  ]


def _geometric(values: np.ndarray) -> float:
  return float(np.exp(np.log(values).mean())) if values.size else math.nan


def _documented(
  results: Results, board: Board, rule: str
) -> tuple[Results, Board]:
  """Return results and board with one rule applied as documented."""
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
  """Return scores by submission, under the board's rules."""
  times = tables.collect(results, what)
  scores = board._replace(times=times).scores(times.cells)
  return dict(zip(times.submissions, scores.tolist(), strict=True))
