"""Stop trials without a chance: the policy `safe`, in races and replays.

A trial is stopped when its forecast chance to reach its target is below CHANCE
at two evaluations in a row, not before a share of its steps, and only under a
schedule that the forecast knows (schedule.py): a decay that nobody foresees may
still bring most of the improvement. In a replay, submissions race in the order
of their names, and forecasts know only what finished before: trials of earlier
submissions on the same workload. A stopped trial is a miss, and no later
forecast learns from it. With a ladder of targets, the easiest target that a
trial has not reached yet decides.
"""

import collections
import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from runner.protocol.suites.workload_spec import WorkloadSpec
from scoring.forecast import curve as curves, mixture, schedule
from scoring.forecast.curve import Curve, Scale
from scoring.forecast.paths import Outlook
from scoring.load.hopeless import Stops
from scoring.load.results import Results
from scoring.load.trial import STOPPED, Trial

CHANCE = 0.01  # Chance below which a trial is hopeless.
IN_A_ROW = 2  # Evaluations that must agree.
EARLIEST = 0.5  # Share of the steps before which no trial is stopped.
# Share of the steps between two forecasts. Published boards evaluate hundreds
# of times; neighbours say the same twice.
APART = 0.04


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy:
  """Limits below which a trial is hopeless."""

  chance: float = CHANCE
  earliest: float = EARLIEST
  unknown: bool = False  # True to stop under unknown schedules, too.


SAFE = Policy()


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
  """Forecast of a trial at one of its evaluations.

  Attributes:
    step: Step of the evaluation.
    seconds: Charged seconds then.
    share: Share of the steps that were made.
    foreseen: Whether the rest of its schedule is known.
    target: The easiest target that it had not reached.
    chance: Chance to reach that target.
    outlook: The whole forecast, about the exact target.
  """

  step: int
  seconds: float
  share: float
  foreseen: bool
  target: float
  chance: float
  outlook: Outlook


class Judge:
  """Forecasts of one trial, each made once."""

  def __init__(
    self,
    rungs: Sequence[WorkloadSpec],
    by: Scale,
    finished: tuple[Curve, ...],
    *,
    planned: bool,
    policy: Policy = SAFE,
  ):
    """Forecast nothing yet.

    Args:
      rungs: The workload with each target of the suite.
      by: Scale of the workload.
      finished: Trials that the forecasts know.
      planned: True if the results have a plan.
      policy: When the trial is hopeless.
    """
    self._rungs, self._by, self._finished = rungs, by, finished
    self._planned, self._policy = planned, policy
    self._views: dict[int, View] = {}

  def stop(self, trial: Trial, count: int) -> list[View]:
    """Return the views that agree that a trial is hopeless; [] if it is not.

    Args:
      trial: The trial.
      count: Number of its evaluations to look at.
    """
    policy = self._policy
    if not math.isfinite(self._by.start) or not trial.evals:
      return []
    rates = schedule.recorded(trial.folder)
    if not policy.unknown and not rates:
      return []
    agreed: list[View] = []
    judged = -math.inf
    for n in range(1, count + 1):
      share = self._share(trial, n)
      if share < policy.earliest or share < judged + APART:
        continue
      judged = share
      if not policy.unknown and self._rates(trial, n, rates) is None:
        agreed = []
        continue
      view = self.view(trial, n, rates)
      agreed = [*agreed, view] if view.chance < policy.chance else []
      if len(agreed) == IN_A_ROW:
        return agreed
    return []

  def view(self, trial: Trial, count: int, rates: schedule.Rates) -> View:
    """Return the forecast of a trial after its first evaluations.

    Args:
      trial: The trial.
      count: Number of evaluations that were made.
      rates: Its recorded learning rates.
    """
    if count not in self._views:
      self._views[count] = self._view(trial, count, rates)
    return self._views[count]

  def _view(self, trial: Trial, count: int, rates: schedule.Rates) -> View:
    evals, by = trial.evals.first(count), self._by
    made = curves.curve(evals.steps, evals.values, self._last(trial, count), by)
    known = self._rates(trial, count, rates)
    case = curves.case(dataclasses.replace(made, rates=known), self._finished)
    found = mixture.forecast(case)
    targets = by.distance([rung.target for rung in self._rungs])
    left = targets[targets < made.best].max(initial=-math.inf)
    at = int(np.argmin(np.abs(targets - left))) if math.isfinite(left) else 0
    return View(
      step=int(evals.steps[-1]),
      seconds=float(evals.seconds[-1]),
      share=self._share(trial, count),
      foreseen=known is not None,
      target=float(self._rungs[at].target or 0.0),
      chance=float(found.weights[found.best <= left].sum()),
      outlook=found,
    )

  def _last(self, trial: Trial, count: int) -> float:
    part = trial._replace(evals=trial.evals.first(count))
    return curves.steps_within(part, self._rungs[0], self._planned)

  def _share(self, trial: Trial, count: int) -> float:
    return float(trial.evals.steps[count - 1]) / self._last(trial, count)

  def _rates(
    self, trial: Trial, count: int, rates: schedule.Rates
  ) -> np.ndarray | None:
    steps = trial.evals.steps[:count]
    last = max(1, round(max(self._last(trial, count), float(steps[-1]))))
    return schedule.foreseen(rates.until(steps[-1]), last)


def stop(
  results: Results, trials: Sequence[Trial], policy: Policy = SAFE
) -> tuple[list[Trial], Stops]:
  """Return the trials as the policy would have left them.

  Args:
    results: The results that the trials are from.
    trials: Trials that end at their target at the latest.
    policy: When a trial is hopeless.
  """
  groups = collections.defaultdict(list)
  for trial in trials:
    groups[trial.key.workload].append(trial)
  kept: dict[int, Trial] = {}
  for name, some in groups.items():
    if results.rules.workloads[name].target is not None:
      kept |= _workload(results, name, some, policy)
  final = [kept.get(id(trial), trial) for trial in trials]
  ended = [
    (before, after)
    for before, after in zip(trials, final, strict=True)
    if after is not before
  ]
  known = [pair for pair in ended if pair[0].state not in STOPPED]
  return final, Stops(
    stopped=len(ended),
    known=len(known),
    false=sum(before.hits != after.hits for before, after in known),
    saved=sum(b.seconds - a.seconds for b, a in ended),
  )


def _workload(
  results: Results, name: str, trials: list[Trial], policy: Policy
) -> dict[int, Trial]:
  """Return stopped trials by the identity of the trials as run."""
  rungs = results.rules.rungs(name)
  planned = results.plan is not None
  by = scale(rungs[0], trials)
  found: dict[int, Trial] = {}
  finished: list[Curve] = []
  for submission in sorted({one.key.submission for one in trials}):
    mine = [one for one in trials if one.key.submission == submission]
    run_out = []
    for one in mine:
      judge = Judge(rungs, by, tuple(finished), planned=planned, policy=policy)
      agreed = judge.stop(one, len(one.evals.steps) - 1)
      seconds = agreed[-1].seconds if agreed else math.inf
      if seconds < one.seconds:
        found[id(one)] = one.until(seconds)
      elif is_finished(one):
        run_out.append(whole(one, rungs[0], by, planned))
    finished += run_out
  return found


def scale(spec: WorkloadSpec, trials: Sequence[Trial]) -> Scale:
  """Return the scale of a workload on which trials have run.

  Args:
    spec: The workload, with its exact target.
    trials: Its trials: training begins at the median of their first
      evaluations, if the suite does not say where.
  """
  firsts = [float(one.evals.values[0]) for one in trials if one.evals]
  start = [value for value in firsts if math.isfinite(value)]
  return curves.scale(spec, float(np.median(start)) if start else math.nan)


def is_finished(trial: Trial) -> bool:
  """Test whether forecasts may learn from a trial: it was run to its end."""
  return bool(trial.evals) and not trial.open and trial.state not in STOPPED


def whole(trial: Trial, spec: WorkloadSpec, by: Scale, planned: bool) -> Curve:
  """Return a finished trial as forecasts know it.

  Args:
    trial: The trial.
    spec: Its workload, with a target.
    by: Scale of the workload.
    planned: True if the results have a plan.
  """
  evals = trial.evals
  last = curves.steps_within(trial, spec, planned)
  made = curves.curve(evals.steps, evals.values, last, by)
  known = schedule.foreseen(schedule.recorded(trial.folder), made.last)
  return dataclasses.replace(made, rates=known)
