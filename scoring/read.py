"""A results folder as trials and problems.

With a plan.json, exactly the planned trials count. Without one, as in
AlgoPerf's published logs, the folders say what was run: every submission is
taken to have been entered for every workload of the rules, with the studies
that any submission has, and with the trials that its own cell has.
"""

import collections
import json
import pathlib
import re
from typing import Any, NamedTuple

from runner import records, rules
from scoring import trials
from scoring.tree import Problem, find, relative
from scoring.trials import Key, Trial


class Results(NamedTuple):
  """Everything that a board is made of."""

  folder: pathlib.Path
  rules: rules.Rules
  ruleset: str  # '' where nothing says so.
  machine: dict[str, Any]
  budgets: dict[str, float]  # Charged seconds by workload, where known.
  hash: str  # Of the plan; '' without one.
  trials: list[Trial]
  problems: list[Problem]
  remarks: list[str]  # On how it was read.


class ReadError(ValueError):
  """There is nothing that can be scored; the message says why."""


def read(folder: pathlib.Path, suite: str | None = None) -> Results:
  """Reads a results folder.

  Args:
    folder: With plan.json, or a tree like AlgoPerf's.
    suite: The name or file of the rules to score by; those of the plan if None.

  Raises:
    ReadError: there is nothing to score, or no rules to score it by.
    rules.RulesError: the rules are not to be found or wrong.
  """
  what = ''
  if not folder.is_dir():
    what = 'is a file' if folder.exists() else 'does not exist'
  elif not any(folder.iterdir()):
    what = 'is empty'
  if what:
    raise ReadError(
      f'{folder} {what}. Give the folder that `python -m runner run --out=...` '
      'wrote, or a tree like '
      '<submission>/study_0/<workload>_jax/trial_1/eval_measurements.csv.'
    )
  given = rules.load(suite) if suite else None
  plan, problems = _plan(folder, given)
  if plan is None and given is None:
    raise ReadError(
      f'{folder} has no {records.PLAN}, so nothing says which rules it was run '
      'under. Say --rules=mini, or the path of a .toml file.'
    )
  found, strays = find(folder)
  problems += strays
  if plan is None:
    assert given is not None
    return _read_tree(folder, given, found, problems)
  return _read_plan(folder, given, plan, found, problems)


def _read_plan(folder, given, plan, found, problems) -> Results:
  suite = given or rules.parse(
    plan['rules'], plan['suite'], f'{folder / records.PLAN}: rules'
  )
  remarks = []
  if given is not None and _judged(rules.dump(given)) != _judged(plan['rules']):
    remarks.append(
      f'These results were run under other rules ({plan["suite"]} '
      f'{plan["rules"].get("version", "")}) than those of this board.'
    )
  read_trials = []
  unknown = collections.defaultdict(list)
  for entry in plan['trials']:
    key = Key(*(entry[name] for name in Key._fields))
    path = records.folder(folder, *key)
    found.pop(path, None)
    if key.workload not in suite.workloads:
      unknown[key.workload].append(path)
      continue
    facts = dict(entry)
    if key.workload in plan['seconds']:
      facts['budget_seconds'] = plan['seconds'][key.workload]
    row = suite.workloads[key.workload]
    read_trials.append(trials.read(key, path, row, facts))
  problems += _unknown(folder, unknown, suite)
  problems += [
    Problem(relative(folder, path), 'Not in the plan; not counted.')
    for path in found
  ]
  return _results(
    folder,
    suite,
    plan.get('ruleset', ''),
    plan.get('hardware', {}),
    {w: s for w, s in plan['seconds'].items() if w in suite.workloads},
    plan.get('hash', ''),
    read_trials,
    problems,
    remarks,
  )


def _read_tree(folder, suite, found, problems) -> Results:
  names = {name.replace('/', '_'): name for name in suite.workloads}
  cells = collections.defaultdict(dict)
  unknown = collections.defaultdict(list)
  for path, (submission, study, name, number) in found.items():
    plain = re.sub(r'_(jax|pytorch)$', '', name)
    if plain not in names:
      unknown[plain].append(path)
      continue
    cell = cells[submission, names[plain]]
    if (study, number) in cell:
      problems.append(
        Problem(
          relative(folder, path),
          f'A second trial of this number, beside {cell[study, number]}; '
          'not counted.',
        )
      )
      continue
    cell[study, number] = path
  problems += _unknown(folder, unknown, suite)
  everyone = sorted({submission for submission, _ in cells})
  studies = sorted({study for cell in cells.values() for study, _ in cell})
  read_trials = []
  for submission in everyone:
    for workload, row in suite.workloads.items():
      cell = cells.get((submission, workload), {})
      numbers = sorted({number for _, number in cell}) or [1]
      for study in studies:
        for number in numbers:
          key = Key(submission, workload, study, number)
          path = cell.get((study, number), records.folder(folder, *key))
          read_trials.append(trials.read(key, path, row, None))
  remarks = [
    f'There is no {records.PLAN}: what should have been run is guessed from '
    'the folders, and outcomes are judged by the evaluations alone.'
  ]
  return _results(folder, suite, '', {}, {}, '', read_trials, problems, remarks)


def _judged(table: dict[str, Any]) -> dict[str, Any]:
  """What a board depends on; how many studies were run, its plan says."""
  return {name: row for name, row in table.items() if name != 'rulesets'}


def _results(
  folder, suite, ruleset, machine, budgets, digest, found, problems, remarks
) -> Results:
  if not found:
    raise ReadError(
      f'No trials of the workloads of suite {suite.name!r} '
      f'({", ".join(suite.workloads)}) in {folder}.'
    )
  problems += [
    Problem(relative(folder, trial.folder), trial.reason)
    for trial in found
    if trial.state == trials.UNCLEAR
  ]
  return Results(
    folder,
    suite,
    ruleset,
    machine if isinstance(machine, dict) else {},
    budgets,
    digest,
    found,
    sorted(problems),
    remarks,
  )


def _plan(
  folder: pathlib.Path, given: rules.Rules | None
) -> tuple[dict[str, Any] | None, list[Problem]]:
  """plan.json; None and a problem if it is damaged and rules are given."""
  path = folder / records.PLAN
  if not path.exists():
    return None, []
  try:
    plan = records.read_json(path)
    _check_plan(plan)
  except (OSError, ValueError, LookupError, TypeError) as error:
    what = 'not JSON' if isinstance(error, json.JSONDecodeError) else 'damaged'
    reason = f'It is {what}: {type(error).__name__} {error}.'
    if given is None:
      raise ReadError(
        f'{path}: {reason} Restore it, or score the folders without a plan by '
        'saying --rules=mini or the path of a .toml file.'
      ) from error
    return None, [Problem(records.PLAN, f'{reason} Read without it.')]
  return plan, []


def _check_plan(plan: Any) -> None:
  """Every part that is used is there and of its kind."""
  kinds = {'submission': str, 'workload': str, 'study': int, 'trial': int}
  kinds |= {'id': str, 'hyperparameters': dict}
  for name, kind in (('rules', dict), ('seconds', dict), ('trials', list)):
    if not isinstance(plan[name], kind):
      raise TypeError(f'{name} is not a {kind.__name__}')
  for entry in plan['trials']:
    for name, kind in kinds.items():
      if not isinstance(entry[name], kind):
        raise TypeError(f'{name} = {entry[name]!r} in a trial')
    if pathlib.PurePath(entry['submission']).name != entry['submission']:
      raise ValueError(f'submission = {entry["submission"]!r} in a trial')
  for seconds in plan['seconds'].values():
    if not isinstance(seconds, int | float) or not seconds > 0:
      raise ValueError(f'a budget of {seconds!r} seconds')
  plan['suite'] = str(plan['suite'])


def _unknown(
  folder: pathlib.Path, paths: dict[str, list[pathlib.Path]], suite: rules.Rules
) -> list[Problem]:
  """A problem for each workload that the rules do not know."""
  return [
    Problem(
      relative(folder, found[0]),
      f'{workload!r} is no workload of suite {suite.name!r}; '
      f'{len(found)} trials of it are not counted.',
    )
    for workload, found in paths.items()
  ]
