"""Learning curves as forecasters see them: free of units, 1 to 0.

A curve has shares of the trial's steps on one axis, and the *distance* to the
target on the other: 0 at the target, 1 where training begins. The distance is
in the logarithm of the error, the difference to the best possible value.
Learning curves are close to power laws in the error, which are lines there, and
the noise of evaluations grows with the error. A metric without a best possible
value is not transformed. Distances of all workloads have the same size, so the
constants of forecasters hold for all of them.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from runner.protocol.suites import metrics
from runner.protocol.suites.workload_spec import WorkloadSpec
from scoring.load.trial import Trial

FARTHEST = 2.0  # Distances above are cut: diverged is diverged.
# Smallest error, as a share of the target's: a perfect value has no logarithm.
FINEST = 1e-3
MOST_AHEAD = 32  # Future evaluations in a forecast.


@dataclasses.dataclass(frozen=True)
class Scale:
  """Distance to the target, from the values of one metric.

  Attributes:
    better: 'lower' or 'higher'.
    target: Value to reach.
    start: Value where training begins.
    best: The best possible value; infinite if there is none.
  """

  better: str
  target: float
  start: float
  best: float = math.inf

  def distance(self, values) -> np.ndarray:
    """Return distances to the target; NaN stays NaN."""
    target, start = (self._error(v) for v in (self.target, self.start))
    found = (self._error(values) - target) / _length(target, start)
    return np.minimum(found, FARTHEST)

  def value(self, distances) -> np.ndarray:
    """Undo `distance`, up to its cut."""
    target, start = (self._error(v) for v in (self.target, self.start))
    error = target + np.asarray(distances) * _length(target, start)
    if self._logarithmic:
      error = np.exp(error)
      return self.best + error if self.better == 'lower' else self.best - error
    return error if self.better == 'lower' else -error

  @property
  def _logarithmic(self) -> bool:
    return math.isfinite(self.best) and self.best != self.target

  def _error(self, values) -> np.ndarray:
    values = np.asarray(values, float)
    if not self._logarithmic:
      return values if self.better == 'lower' else -values
    least = FINEST * abs(self.target - self.best)
    return np.log(np.maximum(np.abs(values - self.best), least))


def _length(target: np.ndarray, start: np.ndarray) -> float:
  """Return the way from start to target; 1 where there is none."""
  length = float(start - target)
  return length if length > 1e-9 else 1.0


def scale(spec: WorkloadSpec, start: float) -> Scale:
  """Return the scale of a workload.

  Args:
    spec: The workload, with a target.
    start: Metric where training begins, if the suite does not say it: the
      median of the first evaluations of other trials.
  """
  assert spec.target is not None
  low, high = metrics.bounds(spec.metric)
  known = spec.start if spec.start is not None else start
  return Scale(
    spec.better,
    spec.target,
    metrics.beginning(spec.metric, known),
    low if spec.better == 'lower' else high,
  )


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
  """Evaluations of one trial; compared by identity.

  Attributes:
    shares: Steps of the evaluations, as shares of `last`, increasing, [N].
    distances: Distances to the target, finite, [N].
    last: Number of steps that fit into the budget.
    rates: Learning rates of steps 1 to `last`, relative to the largest, [last];
      None if the schedule is unknown. See schedule.py.
  """

  shares: np.ndarray
  distances: np.ndarray
  last: int
  rates: np.ndarray | None = None

  @property
  def best(self) -> float:
    """Least distance so far; FARTHEST without evaluations."""
    return float(self.distances.min(initial=FARTHEST))

  @property
  def reached(self) -> bool:
    """True if an evaluation has met the target."""
    return self.best <= 0

  def until(self, share: float) -> 'Curve':
    """Return the evaluations of the first part of the trial."""
    keep = self.shares <= share
    return dataclasses.replace(
      self, shares=self.shares[keep], distances=self.distances[keep]
    )


def curve(
  steps: Sequence[float] | np.ndarray,
  values: Sequence[float] | np.ndarray,
  last: float,
  by: Scale,
  rates: np.ndarray | None = None,
) -> Curve:
  """Return evaluations as a curve; those without a number are left out.

  Args:
    steps: Steps of the evaluations, increasing, [N].
    values: Values of the metric, [N].
    last: Number of steps that fit into the budget.
    by: Scale of the workload.
    rates: Learning rates of steps 1 to `last`; None if they are unknown.
  """
  steps, distances = np.asarray(steps, float), by.distance(values)
  last = max(1, round(max([last, *steps])))
  keep = np.isfinite(distances)
  return Curve(steps[keep] / last, distances[keep], last, rates)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
  """All that a forecaster may know.

  Attributes:
    seen: The trial so far.
    finished: Finished trials of the same workload.
    ahead: Shares at which evaluations are still to come, increasing, [G].
  """

  seen: Curve
  finished: tuple[Curve, ...]
  ahead: np.ndarray


def case(
  seen: Curve, finished: Sequence[Curve] = (), now: float | None = None
) -> Case:
  """Return the case of a trial.

  Args:
    seen: The trial so far.
    finished: Finished trials of the same workload, of whatever submission.
    now: Share of the steps that were made; default: the last evaluation's.
  """
  latest = float(seen.shares[-1]) if seen.shares.size else 0.0
  now = max(latest, now or 0.0)
  if seen.shares.size > 1:
    period = float(np.median(np.diff(seen.shares)))
  else:
    between = [np.diff(one.shares) for one in finished if one.shares.size > 1]
    period = float(np.median(np.concatenate(between))) if between else 0.05
  period = max(period, (1 - now) / MOST_AHEAD, 1 / seen.last)
  count = max(0, math.ceil((1 - now) / period - 0.5))
  ahead = np.linspace(now, 1, count + 1)[1:]
  return Case(seen, tuple(one for one in finished if one.shares.size), ahead)


def steps_within(trial: Trial, spec: WorkloadSpec, planned: bool) -> float:
  """Return the number of steps that a trial can make within its budget.

  Charged seconds become steps by the trial's speed at its last evaluation.
  The submissions of a plan end at the workload's step budget, which they are
  told; those of AlgoPerf's logs train on.

  Args:
    trial: A trial, or its part so far, with at least one evaluation.
    spec: Its workload.
    planned: True if the results have a plan.
  """
  steps, seconds = trial.evals.steps, trial.evals.seconds
  paid = seconds - np.nan_to_num(trial.evals.compile)
  speed = steps[-1] / paid[-1] if paid[-1] > 0 else math.inf
  fit = trial.budget * speed
  if not math.isfinite(fit) or (planned and fit > spec.steps):
    fit = spec.steps
  return max(fit, float(steps[-1]))
