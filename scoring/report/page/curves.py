"""Trials of all cells with their training curves, for the page's script."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from scoring.load.results import Results
from scoring.load.tree import relative
from scoring.load.trial import Trial
from scoring.rank import board as boards
from scoring.rank.board import Board

# Points of all curves of the page together, about 18 bytes each.
POINTS = 30_000
FEWEST, DIGITS = 8, 4


def table(results: Results, board: Board) -> list[list[list[dict[str, Any]]]]:
  """Return the trials [entry][workload] in the order of the board.

  A curve has the same points in steps, seconds and values. Of a long curve,
  evenly spread points are kept, with the first one, the last one and the one
  that meets the target.

  Args:
    results: The results.
    board: The scored board.
  """
  count = len(results.trials)
  most = max(FEWEST, POINTS // max(1, count))
  return [
    [
      [_trial(results, trial, most) for trial in cell.trials]
      for cell in standing.cells.values()
    ]
    for standing in board.standings
  ]


def ranges(board: Board) -> list[dict[str, Any]]:
  """Return what values a chart of each workload shows, see `interesting`."""
  found = []
  for name, row in board.rules.held_out_last.items():
    cells = [standing.cells[name] for standing in board.standings]
    curves = [_finite(trial) for cell in cells for trial in cell.trials]
    lower = row.better == 'lower'
    low, high, log = interesting(curves, row.target, lower)
    found.append({'low': low, 'high': high, 'log': log})
  return found


def interesting(
  curves: Sequence[np.ndarray], target: float | None, lower: bool
) -> tuple[float, float, bool]:
  """Return the range of values to draw, and whether to use a log scale.

  The start of a curve says little: a perplexity may start at the size of the
  vocabulary. So the first fifth of every curve may leave the picture. A curve
  that diverges may leave the picture, too.

  Args:
    curves: The finite values of every curve, in the order of time.
    target: The target, which is always in the range.
    lower: True if lower values are better.

  Returns:
    (low, high, log scale).
  """
  curves = [curve for curve in curves if curve.size]
  if not curves:
    middle = target or 0.0
    return middle - 1.0, middle + 1.0, False
  every = np.concatenate(curves)
  late = np.sort(np.concatenate([c[len(c) // 5 :] for c in curves]))
  best = every.min() if lower else every.max()
  worst = late[int(0.95 * (len(late) - 1))] if lower else late[len(late) // 20]
  ends = [float(best), float(worst)] + ([] if target is None else [target])
  low, high = min(ends), max(ends)
  # Accuracies end near 1, where a log scale would hide all changes.
  if lower and low > 0 and high / low > 5:
    pad = (high / low) ** 0.06
    return low / pad, high * pad, True
  pad = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
  return low - pad, high + pad, False


def clock(board: Board) -> list[list[dict[str, float | None]]]:
  """Return mean seconds of a trial by account, [entry][workload]."""
  return [
    [
      {name: _short(seconds) for name, seconds in boards.spent(cell).items()}
      for cell in standing.cells.values()
    ]
    for standing in board.standings
  ]


def _trial(results: Results, trial: Trial, most: int) -> dict[str, Any]:
  evals = trial.evals
  finite = np.isfinite(evals.values) & np.isfinite(evals.steps)
  places = np.flatnonzero(finite)
  if len(places) > most:
    kept = np.linspace(0, len(places) - 1, most - 1).round().astype(int)
    chosen = {*places[kept].tolist()}
    if trial.at is not None:
      chosen.add(trial.at)
    places = np.array(sorted(chosen), int)
  found = {
    'study': trial.key.study,
    'trial': trial.key.trial,
    'state': trial.state,
    'reason': '' if trial.state in ('reached', 'budget') else trial.reason,
    'folder': relative(results.folder, trial.folder),
    'seconds': _short(trial.seconds),
    'steps': [int(x) for x in evals.steps[places]],
    'at': [_short(x) for x in evals.seconds[places]],
    'values': [_short(x) for x in evals.values[places]],
    'hit': None if trial.at is None else places.tolist().index(trial.at),
  }
  compiled = evals.compile[places]
  if compiled.size and np.isfinite(compiled).all():
    found['compile'] = _changes(compiled)
  return found


def _changes(values: np.ndarray) -> list[list[float]]:
  """Return [index, value] where a value differs from the one before it."""
  found: list[list[float]] = []
  for index, value in enumerate(map(_short, values)):
    if not found or value != found[-1][1]:
      found.append([index, value or 0.0])
  return found


def _finite(trial: Trial) -> np.ndarray:
  values = trial.evals.values
  return values[np.isfinite(values)]


def _short(value: float) -> float | None:
  """Return a number with DIGITS digits; None if it is not finite."""
  value = float(value)
  return float(f'{value:.{DIGITS}g}') if math.isfinite(value) else None
