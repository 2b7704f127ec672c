"""A results folder as trials and problems.

With a plan.json, exactly the planned trials count, and they are read as
documented. Without one, as in AlgoPerf's published logs, the folders say what
was run: every submission is taken to have been entered for every workload of
the rules, with the studies of the ruleset, or those that any submission has,
and with the trials that its own cell has. Then the rules may ask for another
reading, as the published boards' do.
"""

import collections
import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import workloads
from runner.protocol import layout, suite as rules
from runner.protocol.plan import Plan, PlannedTrial, TrialKey
from runner.protocol.suite import Suite
from scoring.load import (
  hardware as kinds,
  plan as planned,
  pruned,
  tree,
  trials,
)
from scoring.load.plan import ReadError
from scoring.load.tree import FolderIssue, relative
from scoring.load.trials import Trial


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
  """Everything that a board is made of."""

  folder: pathlib.Path
  rules: Suite  # With the reading that applies to these results.
  ruleset: str  # '' where nothing says so.
  plan: Plan | None
  budgets: dict[str, float]  # Charged seconds by workload, where known.
  trials: list[Trial]
  problems: list[FolderIssue]
  remarks: list[str]  # On how it was read.
  relaxed: float = 0.0  # Share by which the targets were made easier.

  @property
  def machine(self) -> Mapping[str, Any]:
    """Facts about the kind of machine that was planned; {} without a plan."""
    return self.plan.machine.facts if self.plan else {}

  @property
  def hash(self) -> str:
    """Hash of the plan; '' without one."""
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
) -> Results:
  """Reads a results folder.

  Args:
    folder: With plan.json, or a tree like AlgoPerf's.
    suite: The name or file of the rules to score by; those of the plan if None.
    ruleset: 'self' or 'external', which decides budgets and studies; that of
      the plan if None, and without a plan nothing is known of either.
    mixed: Whether trials on different kinds of hardware may be ranked together
      that nobody has planned so.
    relax: By which share of them to make all targets easier, as
      `Suite.relaxed` says; scores are those of the relaxed targets.

  Raises:
    ReadError: there is nothing to score, or no rules to score it by.
    SuiteError: the rules are not to be found or wrong, or the share is.
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
      f'{folder} has no {layout.PLAN}, so nothing says which rules it was run '
      'under. Say --suite=mini, or the path of a .toml file.'
    )
  found, strays = tree.find(folder)
  problems += strays
  if plan is None:
    assert given is not None
    easier = given.relaxed(relax)
    told = _checked(given, ruleset)
    made = _read_tree(folder, easier, told, found, problems)
    made = _relaxed(made, relax)
    return _checked_trials(made, set(), mixed)
  if ruleset not in (None, plan.ruleset):
    raise ReadError(
      f'{folder} was run under the ruleset {plan.ruleset!r}, not '
      f'{ruleset!r}. Leave out --ruleset.'
    )
  made = _read_plan(folder, given, plan, found, problems, relax)
  made = _relaxed(made, relax)
  return _checked_trials(made, plan.kinds, mixed)


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
    f'All targets are relaxed: they are {1 + share:.6g} times those of the '
    f'rules where lower is better, and {1 - share:.6g} times where higher is.'
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
      f'{plan.suite.version}) than those of this board.'
    )
  read_trials = []
  unknown = collections.defaultdict(list)
  for trial in plan.trials:
    key, path = trial.key, trial.folder(folder)
    found.pop(path, None)
    if key.workload not in suite.workloads:
      unknown[key.workload].append(path)
      continue
    spec = suite.workloads[key.workload]
    budget = plan.budgets.get(key.workload)
    read_trials.append(trials.read(key, path, spec, trial, budget))
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
    for workload, row in suite.workloads.items():
      cell = cells.get((submission, workload), {})
      numbers = sorted({number for _, number in cell}) or [1]
      for study in sorted(studies):
        for number in numbers:
          key = TrialKey(submission, workload, study, number)
          path = cell.get((study, number))
          read_trials.append(
            trials.missing(key, layout.folder(folder, *key))
            if path is None
            else trials.read(key, path, row, None, budgets.get(workload))
          )
  remarks = [
    f'There is no {layout.PLAN}: what should have been run is guessed from '
    'the folders, and outcomes are judged by the evaluations alone.'
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
  """Return what a board depends on; the plan has the number of studies."""
  return dataclasses.replace(suite, name='', rulesets={})


def _checked_trials(
  results: Results, hardware: set[str], mixed: bool
) -> Results:
  """With the problems of its trials."""
  found, said = kinds.together(results.trials, hardware, mixed)
  found, also = pruned.checked(found)
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
    (trial, [trial.reason] if trial.state == trials.UNCLEAR else trial.remarks)
    for trial in found
  ]
  problems = results.problems + [
    FolderIssue(relative(folder, trial.folder), reason)
    for trial, said in reasons
    for reason in said
  ]
  return dataclasses.replace(results, problems=sorted(problems))
