"""A results folder as trials and problems.

With a plan.json, exactly the planned trials count, and they are read as
documented. Without one, as in AlgoPerf's published logs, the folders say what
was run: every submission is taken to have been entered for every workload of
the rules, with the studies of the ruleset, or those that any submission has,
and with the trials that its own cell has. Then the rules may ask for another
reading, as the published boards' do.
"""

import collections
import os
import pathlib
from typing import Any, NamedTuple

from runner.protocol import layout, plan_file, suite as rules
from scoring.load import (
  hardware as kinds,
  plan as planned,
  pruned,
  tree,
  trials,
)
from scoring.load.plan import ReadError
from scoring.load.tree import Problem, relative
from scoring.load.trials import Key, Trial


class Results(NamedTuple):
  """Everything that a board is made of."""

  folder: pathlib.Path
  rules: rules.Rules  # With the reading that applies to these results.
  ruleset: str  # '' where nothing says so.
  machine: dict[str, Any]
  budgets: dict[str, float]  # Charged seconds by workload, where known.
  hash: str  # Of the plan; '' without one.
  entries: dict[Key, dict[str, Any]]  # What the plan says of its trials.
  trials: list[Trial]
  problems: list[Problem]
  remarks: list[str]  # On how it was read.
  relaxed: float = 0.0  # By which share of them the targets were made easier.


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
      `rules.Rules.relaxed` says; scores are those of the relaxed targets.

  Raises:
    ReadError: there is nothing to score, or no rules to score it by.
    rules.RulesError: the rules are not to be found or wrong, or the share is.
  """
  if what := _nothing(folder):
    raise ReadError(
      f'{folder} {what}. Give the folder that `python -m runner run --out=...` '
      'wrote, or a tree like '
      '<submission>/study_0/<workload>_jax/trial_1/eval_measurements.csv.'
    )
  given = rules.load(suite) if suite else None
  plan, problems = planned.read(folder, needed=given is None)
  if plan is None and given is None:
    raise ReadError(
      f'{folder} has no {layout.PLAN}, so nothing says which rules it was run '
      'under. Say --rules=mini, or the path of a .toml file.'
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
  if ruleset not in (None, plan.get('ruleset')):
    raise ReadError(
      f'{folder} was run under the ruleset {plan.get("ruleset")!r}, not '
      f'{ruleset!r}. Leave out --ruleset.'
    )
  made = _read_plan(folder, given, plan, found, problems, relax)
  made = _relaxed(made, relax)
  return _checked_trials(made, plan_file.kinds(plan), mixed)


def _nothing(folder: pathlib.Path) -> str:
  """Why there is nothing to read in a folder; '' if there may be."""
  try:
    return '' if os.listdir(folder) else 'is empty'
  except FileNotFoundError:
    return 'does not exist'
  except NotADirectoryError:
    return 'is a file' if os.path.exists(folder) else 'does not exist'
  except OSError as error:  # As of a name that is too long.
    return f'cannot be read ({error.strerror})'


def _checked(suite: rules.Rules, ruleset: str | None) -> str:
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
  return results._replace(relaxed=share, remarks=[*results.remarks, remark])


def _read_plan(folder, given, plan, found, problems, relax: float) -> Results:
  suite = given or rules.parse(
    plan['rules'], plan['suite'], f'{folder / layout.PLAN}: rules'
  )
  suite = suite.relaxed(relax)
  remarks = []
  if given is not None and _judged(rules.dump(given)) != _judged(plan['rules']):
    remarks.append(
      f'These results were run under other rules ({plan["suite"]} '
      f'{plan["rules"].get("version", "")}) than those of this board.'
    )
  read_trials = []
  entries = {}
  unknown = collections.defaultdict(list)
  for entry in plan['trials']:
    key = Key(*(entry[name] for name in Key._fields))
    path = layout.folder(folder, *key)
    found.pop(path, None)
    if key.workload not in suite.workloads:
      unknown[key.workload].append(path)
      continue
    entries[key] = entry
    row = suite.workloads[key.workload]
    budget = plan['seconds'].get(key.workload)
    read_trials.append(trials.read(key, path, row, entry, budget))
  problems += tree.unknown_workloads(folder, unknown, suite)
  problems += [
    Problem(relative(folder, path), 'Not in the plan; not counted.')
    for path in found
  ]
  return Results(
    folder,
    suite._replace(reading=rules.Reading()),
    plan.get('ruleset', ''),
    plan.get('hardware', {}),
    {w: s for w, s in plan['seconds'].items() if w in suite.workloads},
    plan.get('hash', ''),
    entries,
    read_trials,
    problems,
    remarks,
  )


def _read_tree(folder, suite, ruleset: str, found, problems) -> Results:
  known = {
    name: seconds
    for name in suite.workloads
    if (seconds := suite.seconds(name, ruleset)) is not None
  }
  budgets = known if suite.reading.late == 'missed' else {}
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
          key = Key(submission, workload, study, number)
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
    folder,
    suite,
    ruleset,
    {},
    known,
    '',
    {},
    read_trials,
    problems + strays,
    remarks,
  )


def _judged(table: dict[str, Any]) -> dict[str, Any]:
  """What a board depends on; how many studies were run, its plan says."""
  return {name: row for name, row in table.items() if name != 'rulesets'}


def _checked_trials(
  results: Results, hardware: set[str], mixed: bool
) -> Results:
  """With the problems of its trials."""
  found, said = kinds.together(results.trials, hardware, mixed)
  found, also = pruned.checked(found)
  results = results._replace(
    trials=found, remarks=results.remarks + said + also
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
    Problem(relative(folder, trial.folder), reason)
    for trial, said in reasons
    for reason in said
  ]
  machine = results.machine if isinstance(results.machine, dict) else {}
  return results._replace(problems=sorted(problems), machine=machine)
