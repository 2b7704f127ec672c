"""The board by each measure of effort: one view of the page for each.

Ranks, scores and intervals are computed here; the page's script only draws
them. Entries and workloads are in the order of the page, which is the order of
the board's own measure.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from runner.protocol.timing import accounts
from scoring.load import results as read
from scoring.load.results import Results
from scoring.rank import bands, board as boards, bootstrap, times
from scoring.rank.analysis import Analysis
from scoring.rank.board import Board, Cell
from scoring.rank.bootstrap import Spread
from scoring.report import sentences

MISSED = -1  # Stands for an infinite time; None stands for an open one.


class View(NamedTuple):
  """A board by one measure of effort."""

  key: str  # One of times.MEASURES.
  results: Results
  board: Board
  spread: Spread | None


def views(results: Results, board: Board, analysis: Analysis) -> list[View]:
  """Return a view for each measure that all hits have, the board's own first.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    analysis: The analysis of the board.
  """
  own = 'steps' if results.effort == 'steps' else 'seconds'
  found = [View(own, results, board, analysis.spread)]
  for key in analysis.measures:
    if key != own:
      other = measured(results, key)
      made = boards.make(other, board.integral)
      found.append(View(key, other, made, _again(made, analysis.spread)))
  return found


def measured(results: Results, key: str) -> Results:
  """Return results as if their effort had been another one.

  Args:
    results: Results by charged seconds.
    key: 'steps', or 'compiled' or 'whole': without or with compilation.
  """
  if key == 'steps':
    return read.by_steps(results)
  charges = results.rules.charges
  work = [name for name in accounts.WORK if name in charges.accounts]
  if key == 'compiled':
    work.remove(accounts.COMPILE)
  else:
    work.append(accounts.COMPILE)
  charges = accounts.Charges(accounts=tuple(work))
  return dataclasses.replace(
    results,
    rules=dataclasses.replace(results.rules, charges=charges),
    trials=[trial.recharged(charges) for trial in results.trials],
  )


def table(view: View, entries: list[str], workloads: list[str]) -> dict:
  """Return a view for the page's script.

  Args:
    view: The view.
    entries: Submissions in the order of the page.
    workloads: Workloads in the order of the page.
  """
  board, spread = view.board, view.spread
  at = {standing.submission: standing for standing in board.standings}
  standings = [at[name] for name in entries]
  known = bands.bands(board, spread)
  return {
    'key': view.key,
    'label': _label(view),
    'unit': view.results.effort,
    'headline': sentences.headline(board, spread),
    'uncertainty': sentences.uncertainty(board, spread),
    'rank': [s.rank for s in standings],
    'band': [known.get(name) for name in entries],
    'score': [_short(s.score) for s in standings],
    'best_case': [_short(s.best_case) for s in standings],
    'interval': [
      _list(bootstrap.interval(board, spread, name)) for name in entries
    ],
    'reached': [s.reached for s in standings],
    'targets': [s.rungs for s in standings],
    'open': [s.open_cells for s in standings],
    'cells': [[_cell(s.cells[name]) for name in workloads] for s in standings],
    'studies': [
      [_studies(board, name, workload) for workload in workloads]
      for name in entries
    ],
    'budgets': [
      _time(boards.budget([s.cells[name] for s in standings]))
      for name in workloads
    ],
    'profile': _profile(board, spread, entries),
    'faster': _faster(board, spread, entries),
  }


def _again(board: Board, spread: Spread | None) -> Spread | None:
  """Resample a board as another one was; None if that one was not."""
  if spread is None:
    return None
  return bootstrap.bootstrap(board, spread.unit, spread.draws, spread.seed)


def _label(view: View) -> str:
  """Return the measure in words, and whether its seconds are projected."""
  label = times.MEASURES[view.key]
  projected = view.results.projection.projected
  if view.key == 'steps' or not projected:
    return label
  ran = sum(bool(trial.evals) for trial in view.results.trials)
  if projected == ran:
    return label.replace('charged', 'projected')
  return f'{label} ({projected} of {ran} trials projected)'


def _cell(cell: Cell) -> dict[str, Any]:
  """Return a cell; keys without a content are left out."""
  found = {
    'state': cell.state,
    'time': _time(cell.seconds),
    'ratios': [_time(ratio) for ratio in cell.ratios],
    'lost': cell.lost,
    'projected': cell.projected,
  }
  if cell.state != 'reached':
    found |= {
      'best': _number(cell.best),
      'short': _number(cell.margin),
      'outcome': cell.outcome,
      'stopped': cell.hopeless,
    }
  return {key: value for key, value in found.items() if value not in ('', 0)}


def _studies(board: Board, submission: str, workload: str) -> list[Any]:
  """Return times [study][rung]; None is a study that does not count."""
  n = board.times.submissions.index(submission)
  w = list(board.rules.workloads).index(workload)
  return [
    [_time(x) for x in board.times.studies[:, n, w, s].tolist()]
    if counts
    else None
    for s, counts in enumerate(board.times.counted[n, w].tolist())
  ]


def _profile(
  board: Board, spread: Spread | None, entries: list[str]
) -> dict[str, Any] | None:
  """Return the edges of the profiles' intervals; None without resampling."""
  if spread is None:
    return None
  order = [board.times.submissions.index(name) for name in entries]
  low, high = np.round(spread.bands[:, order], 3).tolist()
  return {'taus': _list(spread.taus), 'low': low, 'high': high}


def _faster(
  board: Board, spread: Spread | None, entries: list[str]
) -> list[list[int]] | None:
  """Return in how many percent of the draws the row beats the column."""
  if spread is None:
    return None
  order = [board.times.submissions.index(name) for name in entries]
  shares = spread.faster[np.ix_(order, order)]
  return np.floor(100 * shares + 0.5).astype(int).tolist()


def _time(value: float) -> float | None:
  """Return a time with five digits; MISSED if infinite, None if unknown."""
  if math.isnan(value):
    return None
  return MISSED if math.isinf(value) else float(f'{value:.5g}')


def _number(value: float) -> float | None:
  """Return a number with five digits; None if it is not finite."""
  return float(f'{value:.5g}') if math.isfinite(value) else None


def _short(value: float) -> float:
  """Return a score with five decimals."""
  return round(value, 5)


def _list(values: Any) -> list[float] | None:
  """Return numbers with five digits; None stays."""
  return None if values is None else [float(f'{x:.5g}') for x in values]
