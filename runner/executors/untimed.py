"""Untimed trials: stops and evaluations by steps, whatever the machine does."""

import pathlib

from runner.executors import race
from runner.executors.base import Limits
from runner.protocol import results_folder
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.timing import programs, time_profiles
from runner.protocol.timing.time_profiles import TimeProfile
from runner.protocol.trial_file import StepLimits


def limits(out: pathlib.Path) -> Limits:
  """Return the limits of the untimed trials of a results folder.

  A trial has as many steps as its time profile has within the budget, and as
  many evaluations as a timed trial. Without a profile, it has the steps and
  evaluations of the reference algorithm.

  Args:
    out: The results folder.
  """
  known: dict[programs.Program, TimeProfile] = {}
  profiles = _stored(out)

  def of(plan: Plan, trial: PlannedTrial) -> StepLimits:
    if profiles is None:
      return by_reference(plan, trial)
    place, timed = profiles
    if not known:
      for one in timed.trials:
        if found := time_profiles.read(one.folder(place)):
          known[programs.of(one)] = found
    found = known.get(programs.of(trial))
    return by_profile(plan, trial, found, timed.budgets)

  return of


def by_reference(plan: Plan, trial: PlannedTrial) -> StepLimits:
  """Return the limits of the reference algorithm.

  Args:
    plan: The plan.
    trial: One of its trials.
  """
  factor = plan.suite.rulesets[plan.ruleset].budget_factor
  return race.by_steps(plan, trial, factor)


def by_profile(
  plan: Plan,
  trial: PlannedTrial,
  profile: TimeProfile | None,
  budgets: dict[str, float],
) -> StepLimits:
  """Return limits of as many steps as a profile has within the budget.

  Args:
    plan: The plan.
    trial: One of its trials.
    profile: The profile of its program, if there is one.
    budgets: Charged seconds by workload on the machine of the profile.
  """
  usual = by_reference(plan, trial)
  budget = budgets.get(trial.workload)
  if profile is None or budget is None:
    return usual
  factor = plan.suite.rulesets[plan.ruleset].budget_factor
  spec = plan.suite.workloads[trial.workload]
  steps = profile.within(budget)
  if steps is None:  # The profile ends before the budget.
    return usual
  period = spec.eval_period(budget, factor)
  return StepLimits(
    steps=max(1, steps), eval_steps=max(1, round(steps * period / budget))
  )


def _stored(out: pathlib.Path) -> tuple[pathlib.Path, Plan] | None:
  """Return folder and plan of the profiles of the board's machine."""
  plan = results_folder.stored(out)
  if plan is None or not plan.machine.name:
    return None
  place = time_profiles.folder(out, plan.machine.name)
  stored = results_folder.stored(place)
  return None if stored is None else (place, stored)
