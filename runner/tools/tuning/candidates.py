"""Points that `tune` compares, and what each costs on a workload."""

import dataclasses
import math
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from runner.protocol import columns, layout, storage
from runner.protocol.suites import metrics
from runner.protocol.suites.suite import Suite
from runner.protocol.suites.workload_spec import WorkloadSpec

MISS = 2.0  # Smallest cost of a miss, in budgets; the largest cost is twice it.


class Curve(NamedTuple):
  """Evaluations of a trial."""

  steps: list[int]
  values: list[float]  # Of the target metric.

  @property
  def finite(self) -> list[float]:
    """The values that are numbers."""
    return [value for value in self.values if math.isfinite(value)]


def curve(folder: pathlib.Path, spec: WorkloadSpec) -> Curve:
  """Return the evaluations of a trial.

  Args:
    folder: The trial's folder.
    spec: Its workload in the suite.
  """
  rows = storage.read_rows(folder / layout.EVALS)
  return Curve(
    [int(row[columns.STEP]) for row in rows],
    [float(row[spec.column]) for row in rows],
  )


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A point and its costs so far.

  Attributes:
    number: Number of its trials, from 1.
    point: Hyperparameters.
    costs: Costs by workload, one for each seed.
    reached: Number of its trials that have reached the exact target.
  """

  number: int
  point: dict[str, Any]
  costs: dict[str, list[float]] = dataclasses.field(default_factory=dict)
  reached: int = 0

  @property
  def mean(self) -> float:
    """Geometric mean over workloads of the mean over seeds."""
    return statistics.geometric_mean(map(statistics.fmean, self.costs.values()))

  @property
  def trials(self) -> int:
    """Number of its trials."""
    return sum(map(len, self.costs.values()))

  def with_trial(
    self, suite: Suite, spec: WorkloadSpec, curve: Curve
  ) -> 'Candidate':
    """Return the candidate with one more trial.

    Args:
      suite: The suite, for its ladder.
      spec: The workload, with a target if there is one.
      curve: Evaluations of the trial.
    """
    known = self.costs.get(spec.workload, [])
    more = {spec.workload: [*known, ladder_cost(suite, spec, curve)]}
    hit = any(spec.reached(value) for value in curve.values)
    return dataclasses.replace(
      self, costs=self.costs | more, reached=self.reached + hit
    )


def aimed(spec: WorkloadSpec, curves: Sequence[Curve]) -> WorkloadSpec:
  """Return a workload with a target: its own, or one from the search.

  Args:
    spec: The workload in the suite.
    curves: Values of all points that race on it.
  """
  if spec.target is not None:
    return spec
  better = min if spec.better == 'lower' else max
  best = [better(curve.finite) for curve in curves if curve.finite]
  if not best:
    return spec
  # Half of the points reach it, also where their number is even.
  middle = (
    statistics.median_low(best)
    if spec.better == 'lower'
    else statistics.median_high(best)
  )
  return dataclasses.replace(spec, target=middle)


def cost(spec: WorkloadSpec, curve: Curve) -> float:
  """Return the share of the step budget until the target; above 1 for a miss.

  A miss costs MISS * (1 + d): d is how far the best value is from the target,
  as a share of the way back to where training begins (of the target itself,
  where the workload has no start), at most 1. Without any finite value d is 1.

  Args:
    spec: The workload; without a target it is missed.
    curve: Evaluations of the trial.
  """
  hits = [
    step
    for step, value in zip(curve.steps, curve.values, strict=True)
    if spec.reached(value)
  ]
  if hits:
    return max(1, min(hits)) / max(spec.steps, min(hits))
  finite = curve.finite
  if not finite or spec.target is None:
    return 2 * MISS
  best = min(finite) if spec.better == 'lower' else max(finite)
  if spec.start is not None:
    left = metrics.way(spec.metric, spec.target, spec.start, best)
  else:
    left = abs(best - spec.target) / abs(spec.target or 1.0)
  return MISS * (1 + min(1.0, left))


def ladder_cost(suite: Suite, spec: WorkloadSpec, curve: Curve) -> float:
  """Return the mean of the costs of all targets of the suite's ladder.

  Args:
    suite: The suite.
    spec: The workload; without a start it has its exact target alone.
    curve: Evaluations of the trial.
  """
  ladder = suite.ladder if spec.start is not None else (0.0,)
  return statistics.fmean(cost(spec.rung(share), curve) for share in ladder)
