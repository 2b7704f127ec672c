"""Forecast how much longer a trial would have needed that missed its target.

The forecast goes on from the trial's own curve, to MOST times its budget. It
knows no schedule: a rate that has fallen to 0 would need another one. How well
it holds beyond the budget was never measured, as no trial went there.
"""

import math

import numpy as np

from runner.protocol.suites.workload_spec import WorkloadSpec
from scoring.forecast import curve as curves, mixture
from scoring.load.trial import BEATEN, Trial
from scoring.rank.board import Board, Cell

MOST = 4.0  # Budgets that are looked ahead.
LEVELS = (0.05, 0.5, 0.95)  # Levels of the quantiles.
LEAST = 3  # Evaluations that a forecast needs.


def table(
  board: Board, *, planned: bool
) -> dict[tuple[str, str], tuple[float, ...]]:
  """Return quantiles of the needed budgets by submission and workload.

  Cells without a forecast are left out; inf is more than MOST.

  Args:
    board: The scored board.
    planned: True if the results have a plan.
  """
  found = {}
  for standing in board.standings:
    for name, cell in standing.cells.items():
      if cell.state == 'missed' and not math.isnan(cell.best):
        made = _budgets(cell, board.rules.workloads[name], planned)
        if made:
          found[standing.submission, name] = made
  return found


def _budgets(
  cell: Cell, spec: WorkloadSpec, planned: bool
) -> tuple[float, ...]:
  """Return quantiles of the budgets that the best trial would have needed."""
  sign = 1 if spec.better == 'lower' else -1
  trials = [
    trial
    for trial in cell.trials
    if trial.state != BEATEN and np.isfinite(trial.evals.values).sum() >= LEAST
  ]
  if spec.target is None or not trials:
    return ()
  best = min(trials, key=lambda trial: np.nanmin(sign * trial.evals.values))
  return budgets(best, spec, planned=planned)


def budgets(
  trial: Trial, spec: WorkloadSpec, *, planned: bool
) -> tuple[float, ...]:
  """Return quantiles of the budgets that a trial would have needed.

  Args:
    trial: A trial that missed its target.
    spec: Its workload, with a target.
    planned: True if the results have a plan.
  """
  values = trial.evals.values[np.isfinite(trial.evals.values)]
  by = curves.scale(spec, float(values[0]))
  if not math.isfinite(by.start):
    return ()
  last = MOST * curves.steps_within(trial, spec, planned)
  seen = curves.curve(trial.evals.steps, trial.evals.values, last, by)
  if not seen.shares.size or seen.reached:
    return ()
  found = mixture.forecast(curves.case(seen))
  # A trial may end before its budget does.
  needed = np.maximum(1.0, found.steps(LEVELS) * MOST / found.last)
  return tuple(needed.tolist())
