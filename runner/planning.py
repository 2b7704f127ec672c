"""Plans made from a suite and submissions, without running submissions."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import submissions
import workloads
from runner.protocol import plan_file
from runner.protocol.plan import (
  FOR_EVER,
  Machine,
  Plan,
  PlannedTrial,
  Source,
  Speed,
)
from runner.protocol.suites import search_space
from runner.protocol.suites.schema import SuiteError
from runner.protocol.suites.suite import Suite

MOST = 100_000  # Largest number of trials of a plan.


def make(
  suite: Suite,
  ruleset: str,
  requests: Sequence[str],
  machine: Machine,
  speeds: Mapping[str, Speed],
) -> Plan:
  """Return the plan of some submissions.

  Args:
    suite: The suite.
    ruleset: 'self' or 'external'.
    requests: Submissions by name or path.
    machine: The kind of machine that the speeds were measured on.
    speeds: Speeds of the reference algorithm by workload, where known.

  Raises:
    ValueError: a name is unknown, or a submission cannot run in this ruleset.
  """
  if ruleset not in suite.rulesets:
    raise SuiteError(
      f'Suite {suite.name} has no ruleset {ruleset!r}. '
      f'Known: {", ".join(suite.rulesets)}.'
    )
  for name in suite.workloads:
    workloads.check(name)
  entries: dict[str, submissions.Entry] = {}
  for request in requests:
    entry = submissions.find(request)
    if entry.name in entries:
      raise submissions.SubmissionError(
        f'Two submissions have the name {entry.name!r}. Enter one of them '
        f'under another name: --submissions=NAME={request}'
      )
    entries[entry.name] = entry
  _check_count(suite, ruleset, len(entries))
  trials = [
    one for entry in entries.values() for one in _trials(suite, ruleset, entry)
  ]
  return of_trials(
    suite,
    ruleset,
    entries=entries,
    machine=machine,
    budgets=budgets(suite, ruleset, speeds),
    trials=trials,
  )


def budgets(
  suite: Suite, ruleset: str, speeds: Mapping[str, Speed]
) -> dict[str, float]:
  """Return the charged seconds of a trial by workload, where they are known.

  Args:
    suite: The suite.
    ruleset: 'self' or 'external'.
    speeds: Speeds of the reference algorithm by workload.
  """
  known = {n: s.seconds for n, s in suite.workloads.items() if s.seconds}
  known |= {
    name: speed.seconds(suite.workloads[name].steps, suite.charges)
    for name, speed in speeds.items()
  }
  factor = suite.rulesets[ruleset].budget_factor
  return {name: factor * seconds for name, seconds in known.items()}


def _check_count(suite: Suite, ruleset: str, entries: int) -> None:
  """Raise SuiteError if a plan would have more than MOST trials."""
  chosen, rows = suite.rulesets[ruleset], len(suite.workloads)
  total = entries * rows * chosen.studies * chosen.trials
  if total > MOST:
    raise SuiteError(
      f'{entries} submissions, {rows} workloads, {chosen.studies} studies and '
      f'{chosen.trials} trials a study make {total:,} trials, and a plan has '
      f'at most {MOST:,}. Use fewer of them, for example --studies=3.'
    )


def of_trials(
  suite: Suite,
  ruleset: str,
  entries: Mapping[str, submissions.Entry],
  machine: Machine,
  budgets: Mapping[str, float],
  trials: Sequence[PlannedTrial],
) -> Plan:
  """Return the plan of a given list of trials.

  Args:
    suite: The suite.
    ruleset: 'self' or 'external'.
    entries: Submissions by name.
    machine: The kind of machine that the budgets are for.
    budgets: Charged seconds by workload.
    trials: All trials.
  """
  return plan_file.sealed(
    Plan(
      suite=suite,
      ruleset=ruleset,
      machine=machine,
      budgets=dict(budgets),
      sources={
        name: Source.at(entry.path, entry.sha256)
        for name, entry in entries.items()
      },
      trials=tuple(trials),
      exam=True,
    )
  )


def make_endless(
  suite: Suite, ruleset: str, requests: Sequence[str], machine: Machine
) -> Plan:
  """Return a plan whose trials stop by steps: no targets, no budgets.

  Args:
    suite: The suite.
    ruleset: 'self' or 'external'.
    requests: Submissions by name or path.
    machine: The kind of machine.
  """
  specs = {
    name: dataclasses.replace(spec, target=None)
    for name, spec in suite.workloads.items()
  }
  endless = dict.fromkeys(specs, Speed(0.0, 0.0, FOR_EVER))
  aimless = dataclasses.replace(suite, workloads=specs)
  return make(aimless, ruleset, requests, machine, endless)


def _trials(
  suite: Suite, ruleset: str, entry: submissions.Entry
) -> list[PlannedTrial]:
  studies = suite.rulesets[ruleset].studies
  points = _points(suite, ruleset, entry)
  return [
    trial(suite, entry, name, study=study, number=number, point=point)
    for study in range(studies)
    for name in suite.workloads
    for number, point in enumerate(points[study], start=1)
  ]


def _points(
  suite: Suite, ruleset: str, entry: submissions.Entry
) -> list[list[dict[str, Any]]]:
  """Return the points of every study: the same list, or new draws for each."""
  studies = suite.rulesets[ruleset].studies
  trials = suite.rulesets[ruleset].trials
  if ruleset == 'self':
    if entry.self_point is None:
      raise submissions.SubmissionError(
        f'{entry.path} has no SELF, its one point in the self-tuning ruleset. '
        'Write SELF = {...}, or use --ruleset=external.'
      )
    found = [[entry.self_point]] * studies
  elif entry.space is None:
    raise submissions.SubmissionError(
      f'{entry.path} has no SPACE, its search space in the external ruleset. '
      'Write SPACE = {...}, or use --ruleset=self.'
    )
  else:
    where = f'{entry.path}: SPACE'
    count = trials * (studies if isinstance(entry.space, dict) else 1)
    drawn = search_space.points(entry.space, count, suite.seed, where)
    found = (
      [drawn[s * trials : (s + 1) * trials] for s in range(studies)]
      if isinstance(entry.space, dict)
      else [drawn] * studies
    )
  name = 'SELF' if ruleset == 'self' else 'SPACE'
  for point in found[0]:
    submissions.check_point(entry, point, name)
  return found


def further(plan: Plan, cells: Sequence[tuple[str, str]]) -> list[PlannedTrial]:
  """Return the trials of one more study of each of some cells.

  It has the smallest number that no study of the cell has, with the seeds and
  points that this number has on the whole board. So it shares its seeds with
  the other submissions that have this study.

  Args:
    plan: The plan of the race.
    cells: Pairs of submission and workload, which are in the plan.

  Raises:
    ValueError: a submission's search space cannot be read any more.
  """
  found = []
  for submission, workload in cells:
    known = [t for t in plan.of(submission) if t.workload == workload]
    taken = {one.study for one in known}
    study = next(n for n in itertools.count() if n not in taken)
    first = [one for one in known if one.study == min(taken)]
    points = [one.hyperparameters for one in first]
    if plan.ruleset == 'external':
      points = _points_of(plan, submission, study)
    spec = plan.suite.workloads[workload]
    for one, point in zip(first, points, strict=True):
      made = dataclasses.replace(
        one,
        study=study,
        seed=plan_file.seed(plan.suite.seed, workload, study, one.trial),
        hyperparameters=point,
      )
      sha256 = plan.sources[submission].sha256
      found.append(
        dataclasses.replace(made, id=plan_file.identity(made, sha256, spec))
      )
  return found


def _points_of(plan: Plan, submission: str, study: int) -> list[dict[str, Any]]:
  """Return the points of a study, drawn from a submission's search space."""
  source = plan.sources[submission]
  entry = submissions.find(str(source.file))
  if entry.sha256 != source.sha256:
    raise submissions.SubmissionError(
      f'{source.path} has changed since trials of {submission!r} ran, so its '
      'search space may have. Restore the file.'
    )
  ruleset = plan.suite.rulesets[plan.ruleset]
  enough = dataclasses.replace(ruleset, studies=study + 1)
  suite = dataclasses.replace(plan.suite, rulesets={plan.ruleset: enough})
  return _points(suite, plan.ruleset, entry)[study]


def trial(
  suite: Suite,
  entry: submissions.Entry,
  workload: str,
  *,
  study: int,
  number: int,
  point: dict[str, Any],
  seed: int | None = None,
) -> PlannedTrial:
  """Return one trial at a point.

  Args:
    suite: The suite.
    entry: The submission.
    workload: Name of the workload.
    study: Number of the study, from 0.
    number: Number of the trial in its study, from 1.
    point: Hyperparameters.
    seed: Seed; None: the seed of a race. All submissions share that seed, so
      comparisons within a study have less noise.
  """
  if seed is None:
    seed = plan_file.seed(suite.seed, workload, study, number)
  made = PlannedTrial(
    submission=entry.name,
    workload=workload,
    study=study,
    trial=number,
    seed=seed,
    hyperparameters=point,
  )
  spec = suite.workloads[workload]
  known = plan_file.identity(made, entry.sha256, spec)
  return dataclasses.replace(made, id=known)
