"""Measure the sensitivity to the learning rate, if trials tried several.

Wortsman et al. 2023, "Small-scale proxies for large-scale Transformer training
instabilities", arXiv:2309.14322: how much worse a trial ends than the best
trial, as a mean over the logarithm of the learning rate. A trial that ends
worse than it began counts with its first value, which bounds divergence. 0
means that the learning rate does not matter.
"""

import collections
import math
from typing import Any, NamedTuple

import numpy as np

from runner.protocol import layout
from runner.protocol.plan import TrialKey
from runner.protocol.suites.workload_spec import WorkloadSpec
from scoring.load.details import Details
from scoring.load.results import Results
from scoring.load.trial import Trial

NAMES = ('learning_rate', 'lr', 'base_lr', 'peak_lr')
LEAST = 3  # Learning rates that a study must try.


class Sensitivity(NamedTuple):
  """Sensitivity of one submission on one workload, the median over studies."""

  submission: str
  workload: str
  rates: list[float]
  metric: float  # Sensitivity in units of the target metric.
  seconds: float  # Sensitivity in charged seconds; a miss takes the budget.


def measure(
  results: Results, details: dict[TrialKey, Details]
) -> list[Sensitivity]:
  """Return sensitivities, from studies that tried three or more rates.

  Such a study changes no other hyperparameter.
  """
  grids = collections.defaultdict(dict)
  for trial in results.trials:
    rate, others = _split(details[trial.key].hyperparameters)
    if rate is not None and trial.evals and not trial.open:
      key = (trial.key.submission, trial.key.workload, others)
      grids[key].setdefault(trial.key.study, {})[rate] = trial
  found = []
  for (submission, workload, _), studies in grids.items():
    full = [grid for grid in studies.values() if len(grid) >= LEAST]
    if not full:
      continue
    row = results.rules.workloads[workload]
    budget = results.budgets.get(workload, math.inf)
    found.append(
      Sensitivity(
        submission,
        workload,
        sorted({rate for grid in full for rate in grid}),
        float(np.median([_mean(grid, _metric(grid, row)) for grid in full])),
        float(
          np.median([_mean(grid, _seconds(grid, budget)) for grid in full])
        ),
      )
    )
  return found


def _split(point: dict[str, Any]) -> tuple[float | None, tuple]:
  """Return the learning rate and all other hyperparameters of a point."""
  name = next((name for name in NAMES if name in point), None)
  rate = point.get(name) if name else None
  if not layout.is_time(rate) or not rate:
    return None, ()
  others = {k: repr(v) for k, v in point.items() if k != name}
  return float(rate), tuple(sorted(others.items()))


def _mean(grid: dict[float, Trial], losses: list[float]) -> float:
  """Return the mean loss against the best rate, over the rates' logarithm."""
  at = np.log(sorted(grid))
  lost = np.array(losses) - min(losses)
  return float(np.trapezoid(lost, at) / (at[-1] - at[0]))


def _metric(grid: dict[float, Trial], row: WorkloadSpec) -> list[float]:
  """Return final metric values, negated if higher is better.

  No value is worse than the best first value of the trials.
  """
  sign = 1 if row.better == 'lower' else -1
  ordered = [sign * grid[rate].evals.values for rate in sorted(grid)]
  first = np.nanmin([values[0] for values in ordered])
  ends = [values[-1] for values in ordered]
  return [min(end, first) if math.isfinite(end) else first for end in ends]


def _seconds(grid: dict[float, Trial], budget: float) -> list[float]:
  """Return charged seconds to the target; NaN: a miss without a budget."""
  times = [grid[rate].hit for rate in sorted(grid)]
  cap = budget if math.isfinite(budget) else math.nan
  return [cap if math.isinf(seconds) else seconds for seconds in times]
