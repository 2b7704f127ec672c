"""The trials of a results folder: those of its plan, or those of its folders.

With a plan.json, exactly the planned trials count, under the documented rules.

Without a plan.json, as in AlgoPerf's published logs, the folders say what was
run. Every submission is expected on every workload of the suite, with the
studies of the ruleset or of any submission, and with the trials of its own
cell. Then the suite's own interpretation of the rules applies, as on the
published boards.
"""

import collections
import dataclasses
import pathlib
from typing import NamedTuple

from runner.protocol import layout
from runner.protocol.plan import Plan, TrialKey
from runner.protocol.suites import suite as rules, tuning_rules
from runner.protocol.suites.suite import Suite
from scoring.load import tree, trials
from scoring.load.tree import FolderIssue, Place, relative
from scoring.load.trial import Trial


class Listed(NamedTuple):
  """Trials that are expected in a results folder."""

  rules: Suite  # Suite with the interpretation that applies to these results.
  budgets: dict[str, float]  # Charged seconds by workload; unknown ones lack.
  trials: list[Trial]
  problems: list[FolderIssue]
  remarks: list[str]  # Assumptions made while reading.


def of_plan(
  folder: pathlib.Path,
  given: Suite | None,
  plan: Plan,
  found: dict[pathlib.Path, Place],
  relax: float,
) -> Listed:
  """Return the planned trials.

  Args:
    folder: The results folder.
    given: Suite to score by; None: the plan's.
    plan: The plan.
    found: Folders of trials that exist.
    relax: Share by which to make all targets easier.
  """
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
  known = []
  unknown = collections.defaultdict(list)
  for trial in plan.trials:
    key, path = trial.key, trial.folder(folder)
    if key.workload not in suite.workloads:
      unknown[key.workload].append(path)
      continue
    budget = plan.budgets.get(key.workload)
    rungs = suite.rungs(key.workload)
    one = trials.read(key, path, rungs, trial, budget)
    known.append(one.recharged(suite.charges) if recharged else one)
  planned = {trial.folder(folder) for trial in plan.trials}
  strays = [
    FolderIssue(relative(folder, path), 'Not in the plan; not counted.')
    for path in found
    if path not in planned
  ]
  return Listed(
    rules=dataclasses.replace(suite, interpretation=rules.Interpretation()),
    budgets={w: s for w, s in plan.budgets.items() if w in suite.workloads},
    trials=known,
    problems=[*tree.unknown_workloads(folder, unknown, suite), *strays],
    remarks=remarks,
  )


def of_tree(
  folder: pathlib.Path,
  suite: Suite,
  ruleset: str,
  found: dict[pathlib.Path, Place],
) -> Listed:
  """Return the trials that the folders suggest.

  Args:
    folder: The results folder.
    suite: Suite to score by.
    ruleset: A ruleset of the suite; '': unknown.
    found: Folders of trials that exist.
  """
  known = {
    name: seconds
    for name in suite.workloads
    if (seconds := suite.seconds(name, ruleset)) is not None
  }
  budgets = known if suite.interpretation.late == 'missed' else {}
  cells, studies, strays = tree.cells(folder, suite, found)
  if ruleset:
    studies |= set(range(suite.rulesets[ruleset].studies))
  expected = []
  for submission in sorted({submission for submission, _ in cells}):
    for workload in suite.workloads:
      rungs = suite.rungs(workload)
      cell = cells.get((submission, workload), {})
      numbers = sorted({number for _, number in cell}) or [1]
      for study in sorted(studies):
        for number in numbers:
          key = TrialKey(submission, workload, study, number)
          path = cell.get((study, number))
          expected.append(
            trials.missing(key, layout.folder(folder, *key))
            if path is None
            else trials.read(key, path, rungs, None, budgets.get(workload))
          )
  remarks = [
    f'There is no {layout.PLAN}. The expected trials are guessed from the '
    'folders, and the evaluations alone decide outcomes.'
  ]
  return Listed(suite, known, expected, strays, remarks)


def _judged(suite: Suite) -> Suite:
  """Return the parts of a suite that scores depend on.

  The number of studies is left out, because the plan has it.
  """
  return dataclasses.replace(
    suite, name='', rulesets={}, tuning=tuning_rules.USUAL
  )
