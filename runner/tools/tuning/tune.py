"""Search for one point of a submission that is good on all workloads.

Trials stop by steps, so the machine's speed does not matter. Every submission
gets the same effort.

A workload without a target gets one for the search, from the search: the median
of the best values of the points that race on it. Half of the points reach it,
so the search still tells fast points from slow ones. It says nothing about
other submissions.

All points have the same initial parameters and data on a workload, so that luck
does not choose between points. Races use other seeds, because a board would
show the luck that was chosen.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import submissions
from runner import planning
from runner.executors.jobs import by_steps
from runner.launch.attempt import TrialOptions
from runner.protocol import (
  plan_file,
  results_folder,
)
from runner.protocol.plan import FOR_EVER, Machine, Plan, PlannedTrial
from runner.protocol.records import tunings
from runner.protocol.records.tunings import Tuning
from runner.protocol.suites.suite import Suite
from runner.protocol.suites.workload_spec import Ruleset
from runner.tools.tuning import candidates, draws as drawing, search
from runner.tools.tuning.candidates import Candidate, Curve


def tune(
  suite: Suite,
  entry: submissions.Entry,
  *,
  draws: int,
  machine: Machine,
  out: pathlib.Path,
  options: TrialOptions,
  jobs: int = 1,
) -> list[Candidate]:
  """Return all candidates, best first; more workloads come before fewer.

  Args:
    suite: Suite whose workloads have targets.
    entry: The submission.
    draws: Number of points to draw from the space of the submission.
    machine: This machine.
    out: The results folder; trials that are done are not run again.
    options: Options of all trials.
    jobs: Number of trials at once.

  Raises:
    ValueError: the submission has no points.
    UnfinishedError: some trials did not run.
  """
  home = out / entry.name
  done: list[tuple[PlannedTrial, Curve]] = []

  def race(field, names, study):
    trials = _trials(suite, entry, field, names, study)
    by_steps(home, _plan(suite, entry, trials, machine), options, jobs)
    found = [
      (
        trial,
        candidates.curve(trial.folder(home), suite.workloads[trial.workload]),
      )
      for trial in trials
    ]
    done.extend(found)
    return {(trial.workload, trial.trial): curve for trial, curve in found}

  def near(known):
    return drawing.near(suite, entry, known, draws // 2)

  points = drawing.first(suite, entry, draws - draws // 2)
  found = search.run(
    suite, points, near=near, race=race, before=entry.self_point
  )
  tunings.write(home, _record(suite, entry, found, done, home))
  return found


def adopted(out: pathlib.Path, entry: submissions.Entry) -> bool:
  """Return whether SELF is the best point of a tuning that has ended.

  Args:
    out: The results folder.
    entry: The submission.

  Raises:
    ValueError: the tuning's file is damaged.
  """
  try:
    best = tunings.read(out / entry.name).points[0].point
  except FileNotFoundError:
    return False
  except (OSError, LookupError, TypeError, ValueError) as error:
    raise ValueError(
      f'{out / entry.name / tunings.NAME} is damaged ({error!r}). Remove it: '
      'the tuning continues from its trials.'
    ) from error
  return best == entry.self_point


def seed(suite: Suite, workload: str, study: int = 0) -> int:
  """Return the seed of all points on a workload, which no race uses.

  Args:
    suite: The suite.
    workload: Name of the workload.
    study: Number of the seed, from 0.
  """
  return plan_file.seed(suite.seed, f'tune {workload}', study, 0)


def text(name: str, found: list[Candidate], suite: Suite) -> str:
  """Return a line for each candidate, and the best point as SELF.

  Args:
    name: Name of the submission.
    found: The candidates, best first.
    suite: The suite.
  """
  lines = [f'{name}: cost, targets reached in how many trials, point']
  for one in found:
    lines.append(
      f'  {one.mean:.3f}  {one.reached} of {one.trials}  {one.point}'
    )
  best = found[0]
  lines.append(
    f'Reaches {best.reached} of {best.trials} on {len(suite.workloads)} '
    f'workloads:\nSELF = {best.point!r}'
  )
  return '\n'.join(lines)


def warning(suite: Suite, request: str) -> str:
  """Return what replaces missing targets, as text, or ''.

  Args:
    suite: The chosen part of the suite.
    request: Name or path of the suite.
  """
  rows = suite.workloads.values()
  aimless = [spec.workload for spec in rows if spec.target is None]
  if not aimless:
    return ''
  return (
    f'Suite {suite.name} has no targets on {", ".join(aimless)}. There, points '
    'are ranked by their steps to the median of the best values of all points '
    'of the submission that race there, so costs of two submissions cannot be '
    f'compared. To set targets: timetrial set-targets --suite={request}'
  )


def _trials(
  suite: Suite,
  entry: submissions.Entry,
  field: Sequence[Candidate],
  names: Sequence[str],
  study: int,
) -> list[PlannedTrial]:
  return [
    planning.trial(
      suite,
      entry,
      name,
      study=study,
      number=one.number,
      point=one.point,
      seed=seed(suite, name, study),
    )
    for name in names
    for one in field
  ]


def _plan(
  suite: Suite,
  entry: submissions.Entry,
  trials: list[PlannedTrial],
  machine: Machine,
) -> Plan:
  ruleset = Ruleset(studies=search.SEEDS, trials=1, budget_factor=1.0)
  endless = dict.fromkeys(suite.workloads, FOR_EVER)
  only = dataclasses.replace(suite, rulesets={'external': ruleset}, unscored={})
  return planning.of_trials(
    only,
    'external',
    entries={entry.name: entry},
    machine=machine,
    budgets=endless,
    trials=trials,
  )


def _record(
  suite: Suite,
  entry: submissions.Entry,
  found: Sequence[Candidate],
  trials: Sequence[tuple[PlannedTrial, Curve]],
  home: pathlib.Path,
) -> Tuning:
  """Return what was drawn, what it cost and what is best."""
  folders = [trial.folder(home) for trial, _ in trials]
  budgets = sum(
    max(curve.steps, default=0) / suite.workloads[trial.workload].steps
    for trial, curve in trials
  )
  return Tuning(
    submission=entry.name,
    suite=suite.name,
    first=entry.self_point,
    trials=len(trials),
    budgets=budgets,
    hours=sum(results_folder.status(one).seconds for one in folders) / 3600,
    points=tuple(
      tunings.Point(
        number=one.number,
        point=one.point,
        cost=one.mean,
        reached=one.reached,
        costs=one.costs,
      )
      for one in found
    ),
  )
