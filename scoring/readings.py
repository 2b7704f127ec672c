"""The same logs otherwise read: rules, measures of effort, comparisons.

Where a published board was computed otherwise than its rules say, both scores
belong side by side; so do scores by steps and by time.
"""

import math
from typing import NamedTuple

import numpy as np

from runner.rules import READINGS, Reading
from scoring import score, times as tables
from scoring.board import Board
from scoring.read import Results

DOCUMENTED = Reading(missing='missed')  # A study that was not run is no hit.


class Difference(NamedTuple):
  """A submission whose score hangs on how one rule is read."""

  rule: str  # Of Reading; 'integral' for that.
  here: str  # What this board does.
  documented: str
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


def differences(results: Results, board: Board) -> list[Difference]:
  """What each departure from the documented rules does to the scores."""
  found = []
  here = _scores(results, board, results.reading, board.integral)
  for rule, value in results.reading._asdict().items():
    documented = getattr(DOCUMENTED, rule)
    if value in (documented, 'open'):
      continue
    reading = results.reading._replace(**{rule: documented})
    other = _scores(results, board, reading, board.integral)
    words = (READINGS[rule][value], READINGS[rule][documented])
    found += _compared(board, rule, *words, here, other)
  if board.integral != 'exact':
    other = _scores(results, board, results.reading, 'exact')
    words = (f'trapezoids on {score.GRID} points', 'the exact area')
    found += _compared(board, 'integral', *words, here, other)
  return found


def measures(results: Results, board: Board) -> dict[str, dict[str, float]]:
  """Scores by every measure of effort: {measure: {submission: score}}.

  A measure that some hit does not have is left out.
  """
  found = {}
  for what in tables.MEASURES:
    hits = [t.measured(what) for t in results.trials if t.at is not None]
    if any(map(math.isnan, hits)):
      continue
    times = tables.collect(results, what)
    scores = board._replace(times=times).scores(times.cells)
    found[what] = dict(zip(times.submissions, scores.tolist(), strict=True))
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


def _scores(results: Results, board: Board, reading: Reading, integral: str):
  trials = results.trials
  if reading.late != results.reading.late:
    trials = [
      t._replace(at=None)
      if t.at is not None
      and t.evals.seconds[t.at] > results.budgets.get(t.key.workload, math.inf)
      else t
      for t in trials
    ]
  read = results._replace(trials=trials)
  times = tables.collect(read, reading=reading)
  rules = board.rules._replace(reading=reading)
  other = board._replace(rules=rules, integral=integral, times=times)
  return dict(
    zip(times.submissions, other.scores(times.cells).tolist(), strict=True)
  )


def _compared(board: Board, rule, here, documented, scores, other):
  return [
    Difference(rule, here, documented, name, scores[name], other[name])
    for name in (s.submission for s in board.standings)
    if abs(scores[name] - other[name]) > 1e-9
  ]
