"""How much hangs on the learning rate, where trials tried several.

Wortsman et al. 2023, "Small-scale proxies for large-scale Transformer training
instabilities", arXiv:2309.14322: the mean over learning rates, even in their
logarithm, of how much worse a trial ends than the best one. What ends worse
than it began counts as where it began, so that divergence is bounded. 0: the
rate does not matter.
"""

import collections
import math
from typing import Any, NamedTuple

import numpy as np

from runner.protocol import layout
from runner.protocol.plan import TrialKey
from runner.protocol.workload_spec import WorkloadSpec
from scoring.load.details import Details
from scoring.load.results import Results
from scoring.load.trials import Trial

NAMES = ('learning_rate', 'lr', 'base_lr', 'peak_lr')
LEAST = 3  # Rates.


class Sensitivity(NamedTuple):
  """Of one submission on one workload, the median over studies."""

  submission: str
  workload: str
  rates: list[float]
  metric: float  # In units of the target metric.
  seconds: float  # In charged seconds to the target; a miss takes the budget.


def measure(
  results: Results, details: dict[TrialKey, Details]
) -> list[Sensitivity]:
  """Wherever a study tried three rates and changed nothing else."""
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
  """The learning rate, and all other hyperparameters."""
  name = next((name for name in NAMES if name in point), None)
  rate = point.get(name) if name else None
  if not layout.is_time(rate) or not rate:
    return None, ()
  others = {k: repr(v) for k, v in point.items() if k != name}
  return float(rate), tuple(sorted(others.items()))


def _mean(grid: dict[float, Trial], losses: list[float]) -> float:
  """Of what every rate loses against the best, over the rates' logarithm."""
  at = np.log(sorted(grid))
  lost = np.array(losses) - min(losses)
  return float(np.trapezoid(lost, at) / (at[-1] - at[0]))


def _metric(grid: dict[float, Trial], row: WorkloadSpec) -> list[float]:
  """Where trials end, lower is better, no worse than where the best began."""
  sign = 1 if row.better == 'lower' else -1
  ordered = [sign * grid[rate].evals.values for rate in sorted(grid)]
  first = np.nanmin([values[0] for values in ordered])
  ends = [values[-1] for values in ordered]
  return [min(end, first) if math.isfinite(end) else first for end in ends]


def _seconds(grid: dict[float, Trial], budget: float) -> list[float]:
  """Charged seconds to the target; NaN where a miss has no known budget."""
  times = [grid[rate].hit for rate in sorted(grid)]
  cap = budget if math.isfinite(budget) else math.nan
  return [cap if math.isinf(seconds) else seconds for seconds in times]
