"""Read a results folder into trials and issues.

With a plan.json, exactly the planned trials count, under the documented rules.

Without a plan.json, as in AlgoPerf's published logs, the folders say what was
run. Every submission is expected on every workload of the suite, with the
studies of the ruleset or of any submission, and with the trials of its own
cell. Then the suite's own interpretation of the rules applies, as on the
published boards.
"""

import collections
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
  plan as planned,
  pruned,
  tree,
  trials,
)
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
    made = _read_tree(folder, easier, told, found, problems)
    made = _relaxed(made, relax)
    made = by_steps(made) if effort == 'steps' else made
    return _checked_trials(made, set(), mixed)
  if ruleset not in (None, plan.ruleset):
    raise ReadError(
      f'{folder} was run under the ruleset {plan.ruleset!r}, not '
      f'{ruleset!r}. Leave out --ruleset.'
    )
  made = _read_plan(
    folder, given, plan=plan, found=found, problems=problems, relax=relax
  )
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


def _read_plan(
  folder: pathlib.Path,
  given: Suite | None,
  plan: Plan,
  found: dict[pathlib.Path, Any],
  problems: list[FolderIssue],
  relax: float,
) -> Results:
  suite = (given or plan.suite).relaxed(relax)
  remarks = []
  if given is not None and _judged(given) != _judged(plan.suite):
    remarks.append(
      f'These results were run under other rules ({plan.suite.name} '
      f'{plan.suite.version}) than this board uses.'
    )
  recharged = suite.charges.compiling != plan.suite.charges.compiling
  if recharged:
    remarks.append(
      'Compiling was'
      f'{"" if plan.suite.charges.compiling else " not"} charged when these '
      f'results were run, and is{"" if suite.charges.compiling else " not"} '
      'charged here. Budgets are those of then.'
    )
  read_trials = []
  unknown = collections.defaultdict(list)
  for trial in plan.trials:
    key, path = trial.key, trial.folder(folder)
    found.pop(path, None)
    if key.workload not in suite.workloads:
      unknown[key.workload].append(path)
      continue
    rungs = suite.rungs(key.workload)
    budget = plan.budgets.get(key.workload)
    found_trial = trials.read(key, path, rungs, trial, budget)
    if recharged:
      found_trial = found_trial.recharged(suite.charges)
    read_trials.append(found_trial)
  problems += tree.unknown_workloads(folder, unknown, suite)
  problems += [
    FolderIssue(relative(folder, path), 'Not in the plan; not counted.')
    for path in found
  ]
  return Results(
    folder=folder,
    rules=dataclasses.replace(suite, interpretation=rules.Interpretation()),
    ruleset=plan.ruleset,
    plan=plan,
    budgets={w: s for w, s in plan.budgets.items() if w in suite.workloads},
    trials=read_trials,
    problems=problems,
    remarks=remarks,
  )


def _read_tree(folder, suite, ruleset: str, found, problems) -> Results:
  known = {
    name: seconds
    for name in suite.workloads
    if (seconds := suite.seconds(name, ruleset)) is not None
  }
  budgets = known if suite.interpretation.late == 'missed' else {}
  cells, studies, strays = tree.cells(folder, suite, found)
  if ruleset:
    studies |= set(range(suite.rulesets[ruleset].studies))
  read_trials = []
  for submission in sorted({submission for submission, _ in cells}):
    for workload in suite.workloads:
      rungs = suite.rungs(workload)
      cell = cells.get((submission, workload), {})
      numbers = sorted({number for _, number in cell}) or [1]
      for study in sorted(studies):
        for number in numbers:
          key = TrialKey(submission, workload, study, number)
          path = cell.get((study, number))
          read_trials.append(
            trials.missing(key, layout.folder(folder, *key))
            if path is None
            else trials.read(key, path, rungs, None, budgets.get(workload))
          )
  remarks = [
    f'There is no {layout.PLAN}. The expected trials are guessed from the '
    'folders, and the evaluations alone decide outcomes.'
  ]
  return Results(
    folder=folder,
    rules=suite,
    ruleset=ruleset,
    plan=None,
    budgets=known,
    trials=read_trials,
    problems=problems + strays,
    remarks=remarks,
  )


def _judged(suite: Suite) -> Suite:
  """Return the parts of a suite that scores depend on.

  The number of studies is left out, because the plan has it.
  """
  return dataclasses.replace(suite, name='', rulesets={})


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
