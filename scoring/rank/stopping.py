"""Stop trials without a chance, in a replay: the policy `safe`.

A trial is stopped when its forecast chance to reach its target is below CHANCE
at two evaluations in a row, not before a share of its steps, and only under a
schedule that the forecast knows (schedule.py): a decay that nobody foresees may
still bring most of the improvement. Submissions race in the order of their
names, and forecasts know only what finished before: trials of earlier
submissions on the same workload. A stopped trial is a miss, and no later
forecast learns from it. With a ladder of targets, the easiest target that a
trial has not reached yet decides.
"""

import collections
import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from runner.protocol.workload_spec import WorkloadSpec
from scoring.forecast import curve as curves, mixture, schedule
from scoring.forecast.curve import Curve, Scale
from scoring.load.results import Results
from scoring.load.trial import BEATEN, Trial

CHANCE = 0.01  # Chance below which a trial is hopeless.
IN_A_ROW = 2  # Evaluations that must agree.
EARLIEST = 0.5  # Share of the steps before which no trial is stopped.
# Share of the steps between two forecasts. Published boards evaluate hundreds
# of times; neighbours say the same twice.
APART = 0.04
COVERAGE = 0.9  # Of the interval of the rate of false stops.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy:
  """Limits below which a trial is hopeless."""

  chance: float = CHANCE
  earliest: float = EARLIEST
  unknown: bool = False  # True to stop under unknown schedules, too.


SAFE = Policy()


class Stops(NamedTuple):
  """Trials that a policy stops, and what became of them as they were run."""

  stopped: int  # Trials that were stopped.
  known: int  # Of these, the trials that were run to an outcome.
  false: int  # Of these, the trials that reached a target later.
  hours: float  # Charged hours saved.

  @property
  def rate(self) -> tuple[float, float]:
    """Interval of the rate of false stops (Clopper and Pearson 1934)."""
    from scipy import stats  # noqa: PLC0415  Slow to import.

    if not self.known:
      return 0.0, 1.0
    tail = (1 - COVERAGE) / 2
    missed = self.known - self.false
    low = stats.beta.ppf(tail, self.false, missed + 1) if self.false else 0.0
    high = stats.beta.ppf(1 - tail, self.false + 1, missed) if missed else 1.0
    return float(low), float(high)


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
  known = [pair for pair in ended if pair[0].state != BEATEN]
  return final, Stops(
    stopped=len(ended),
    known=len(known),
    false=sum(before.hits != after.hits for before, after in known),
    hours=sum(b.seconds - a.seconds for b, a in ended) / 3600,
  )


def _workload(
  results: Results, name: str, trials: list[Trial], policy: Policy
) -> dict[int, Trial]:
  """Return stopped trials by the identity of the trials as run."""
  rungs = results.rules.rungs(name)
  planned = results.plan is not None
  firsts = [float(one.evals.values[0]) for one in trials if one.evals]
  start = [value for value in firsts if math.isfinite(value)]
  by = curves.scale(rungs[0], float(np.median(start)) if start else math.nan)
  found: dict[int, Trial] = {}
  finished: list[Curve] = []
  for submission in sorted({one.key.submission for one in trials}):
    mine = [one for one in trials if one.key.submission == submission]
    run_out = []
    for one in mine:
      seconds = _hopeless(one, rungs, by, planned, tuple(finished), policy)
      if seconds < one.seconds:
        found[id(one)] = one.until(seconds)
      elif one.evals and not one.open and one.state != BEATEN:
        run_out.append(_whole(one, rungs[0], by, planned))
    finished += run_out
  return found


def _whole(trial: Trial, spec: WorkloadSpec, by: Scale, planned: bool) -> Curve:
  evals = trial.evals
  last = curves.steps_within(trial, spec, planned)
  made = curves.curve(evals.steps, evals.values, last, by)
  known = schedule.foreseen(*schedule.recorded(trial.folder), made.last)
  return dataclasses.replace(made, rates=known)


def _hopeless(
  trial: Trial,
  rungs: Sequence[WorkloadSpec],
  by: Scale,
  planned: bool,
  finished: tuple[Curve, ...],
  policy: Policy,
) -> float:
  """Return the charged seconds after which the trial is stopped, or inf."""
  if not math.isfinite(by.start) or not trial.evals:
    return math.inf
  steps, rates = schedule.recorded(trial.folder)
  if not policy.unknown and not steps.size:
    return math.inf
  agreed, judged = 0, -math.inf
  for count in range(1, len(trial.evals.steps)):
    step = trial.evals.steps[count - 1]
    part = trial._replace(evals=trial.evals.first(count))
    last = curves.steps_within(part, rungs[0], planned)
    share = step / last
    if share < policy.earliest or share < judged + APART:
      continue
    made = curves.curve(part.evals.steps, part.evals.values, last, by)
    past = steps <= step
    known = schedule.foreseen(steps[past], rates[past], made.last)
    judged = share
    if known is None and not policy.unknown:
      agreed = 0
      continue
    case = curves.case(dataclasses.replace(made, rates=known), finished)
    found = mixture.forecast(case)
    left = by.distance([rung.target for rung in rungs])
    left = left[left < made.best].max(initial=-math.inf)
    chance = float(found.weights[found.best <= left].sum())
    agreed = agreed + 1 if chance < policy.chance else 0
    if agreed == IN_A_ROW:
      return float(trial.evals.seconds[count - 1])
  return math.inf
