"""Read a results folder into trials and issues."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import workloads
from runner.protocol import layout
from runner.protocol.plan import Plan, PlannedTrial, TrialKey
from runner.protocol.suites import suite as rules
from runner.protocol.suites.suite import Suite
from runner.protocol.timing import programs
from scoring.load import (
  hardware as kinds,
  hopeless,
  limits,
  listed,
  plan as planned,
  pruned,
  tree,
)
from scoring.load.listed import Listed
from scoring.load.plan import ReadError
from scoring.load.projection import NONE, Projection, project
from scoring.load.tree import FolderIssue, relative
from scoring.load.trial import UNCLEAR, Trial

EFFORTS = ('seconds', 'steps')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
  """Content of a results folder that a board is made from."""

  folder: pathlib.Path
  rules: Suite  # Suite with the interpretation that applies to these results.
  ruleset: str  # 'self', 'external', or '' if unknown.
  plan: Plan | None
  budgets: dict[str, float]  # Charged seconds by workload; unknown ones lack.
  trials: list[Trial]
  problems: list[FolderIssue]
  remarks: list[str]  # Assumptions made while reading.
  relaxed: float = 0.0  # Share by which all targets were made easier.
  effort: str = 'seconds'  # Unit of all times, one of EFFORTS.
  projection: Projection = NONE  # What was read off time profiles.

  @property
  def machine(self) -> Mapping[str, Any]:
    """Facts about the planned kind of machine; {} without a plan."""
    return self.plan.machine.facts if self.plan else {}

  @property
  def hash(self) -> str:
    """Hash of the plan; '' without a plan."""
    return self.plan.hash if self.plan else ''

  @functools.cached_property
  def planned(self) -> dict[TrialKey, PlannedTrial]:
    """The plan's trials by key."""
    return {t.key: t for t in self.plan.trials} if self.plan else {}


def read(
  folder: pathlib.Path,
  suite: str | None = None,
  ruleset: str | None = None,
  mixed: bool = False,
  relax: float = 0.0,
  effort: str | None = None,
  machine: str | None = None,
) -> Results:
  """Read a results folder.

  Args:
    folder: A folder with plan.json, or a tree like AlgoPerf's.
    suite: Name or .toml file of the suite to score by; None: the plan's suite.
    ruleset: 'self' or 'external', which decides budgets and studies; None: the
      plan's ruleset. Without a plan and a ruleset, budgets are unknown.
    mixed: True to rank unplanned kinds of hardware together.
    relax: Share by which to make all targets easier, see `Suite.relaxed`.
    effort: One of EFFORTS; None: seconds, or steps if no trial has seconds.
    machine: Kind of machine whose time profiles give the seconds of untimed
      trials; None: the planned one, or the only one.

  Raises:
    ReadError: There is nothing to score, or no suite to score by.
    SuiteError: The suite is missing or wrong, or the share `relax` is wrong.
  """
  if what := _nothing(folder):
    raise ReadError(
      f'{folder} {what}. Give the folder that `timetrial run --out=...` '
      'wrote, or a tree like '
      '<submission>/study_0/<workload>_jax/trial_1/eval_measurements.csv.'
    )
  given = rules.load(suite, workloads.canonical) if suite else None
  plan, problems = planned.read(folder, needed=given is None)
  if plan is None and given is None:
    raise ReadError(
      f'{folder} has no {layout.PLAN}, which would name the suite. Name the '
      'suite to score by: --suite=mini, or --suite=FILE.toml.'
    )
  found, strays = tree.find(folder)
  problems += strays
  if plan is None:
    assert given is not None
    easier = given.relaxed(relax)
    told = _checked(given, ruleset)
    read_trials = listed.of_tree(folder, easier, told, found)
    made = _results(folder, read_trials, told, None, problems)
    made = _relaxed(made, relax)
    made = by_steps(made) if effort == 'steps' else made
    return _checked_trials(made, set(), mixed)
  if ruleset not in (None, plan.ruleset):
    raise ReadError(
      f'{folder} was run under the ruleset {plan.ruleset!r}, not '
      f'{ruleset!r}. Leave out --ruleset.'
    )
  read_trials = listed.of_plan(folder, given, plan, found, relax)
  made = _results(folder, read_trials, plan.ruleset, plan, problems)
  made = _relaxed(made, relax)
  mixed |= effort == 'steps'  # Machines differ in seconds only.
  return _checked_trials(_measured(made, effort, machine), plan.kinds, mixed)


def _measured(
  results: Results, effort: str | None, machine: str | None
) -> Results:
  """Return results in steps, or in seconds of one kind of machine."""
  if effort == 'steps':
    return by_steps(results)
  assert results.plan is not None
  found, projection, budgets = project(
    results.folder, results.plan, results.trials, machine
  )
  have = any(one.timed or one.projected for one in found if one.evals)
  if effort is None and projection.lacking and not have:
    return by_steps(results)
  known = {w: s for w, s in budgets.items() if w in results.rules.workloads}
  return dataclasses.replace(
    results,
    trials=found,
    projection=projection,
    budgets=known,
    remarks=[*results.remarks, *projection.remarks],
  )


def by_steps(results: Results) -> Results:
  """Return results with steps in the place of charged seconds."""
  rules = results.rules
  chosen = rules.rulesets.get(results.ruleset)
  factor = chosen.budget_factor if chosen else 1.0
  budgets = {n: factor * spec.steps for n, spec in rules.workloads.items()}
  return dataclasses.replace(
    results,
    trials=[t.by_steps(budgets[t.key.workload]) for t in results.trials],
    budgets=budgets,
    effort='steps',
    remarks=[*results.remarks, 'Times are steps, not seconds.'],
  )


def programs_of(results: Results) -> limits.Programs | None:
  """Return the programs of trials whose times are steps, else None."""
  if results.effort != 'steps' or results.plan is None:
    return None
  return {trial.key: programs.of(trial) for trial in results.plan.trials}


def _results(
  folder: pathlib.Path,
  read_trials: Listed,
  ruleset: str,
  plan: Plan | None,
  problems: list[FolderIssue],
) -> Results:
  return Results(
    folder=folder,
    rules=read_trials.rules,
    ruleset=ruleset,
    plan=plan,
    budgets=read_trials.budgets,
    trials=read_trials.trials,
    problems=problems + read_trials.problems,
    remarks=read_trials.remarks,
  )


def _nothing(folder: pathlib.Path) -> str:
  """Return why there is nothing to read in a folder; '' if there may be."""
  try:
    return '' if os.listdir(folder) else 'is empty'
  except FileNotFoundError:
    return 'does not exist'
  except NotADirectoryError:
    return 'is a file' if os.path.exists(folder) else 'does not exist'
  except OSError as error:  # Such as a name that is too long.
    return f'cannot be read ({error.strerror})'


def _checked(suite: Suite, ruleset: str | None) -> str:
  if ruleset is not None and ruleset not in suite.rulesets:
    raise ReadError(
      f'Suite {suite.name} has no ruleset {ruleset!r}. '
      f'Known: {", ".join(suite.rulesets)}.'
    )
  return ruleset or ''


def _relaxed(results: Results, share: float) -> Results:
  if not share:
    return results
  remark = (
    f'All targets are relaxed: {1 + share:.6g} times the target of the suite '
    f'where lower is better, and {1 - share:.6g} times where higher is better. '
    'They count alone, without a ladder.'
  )
  return dataclasses.replace(
    results, relaxed=share, remarks=[*results.remarks, remark]
  )


def _checked_trials(
  results: Results, hardware: set[str], mixed: bool
) -> Results:
  """Return results with checked trials and with the trials' issues."""
  found, said = kinds.together(results.trials, hardware, mixed)
  found, also = pruned.checked(results.rules, found, programs_of(results))
  found, said_of_stops = hopeless.checked(results.rules, found)
  also += said_of_stops
  results = dataclasses.replace(
    results, trials=found, remarks=results.remarks + said + also
  )
  folder, suite = results.folder, results.rules
  if not found:
    raise ReadError(
      f'No trials of the workloads of suite {suite.name!r} '
      f'({", ".join(suite.workloads)}) in {folder}.'
    )
  reasons = [
    (trial, [trial.reason] if trial.state == UNCLEAR else trial.remarks)
    for trial in found
  ]
  problems = results.problems + [
    FolderIssue(relative(folder, trial.folder), reason)
    for trial, said in reasons
    for reason in said
  ]
  return dataclasses.replace(results, problems=sorted(problems))
