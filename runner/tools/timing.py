"""Timed trials of programs, from which the seconds of untimed trials are read.

A program's trial runs alone, without a target, to the last step that an untimed
trial of the program has reached, or until the budget is spent.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from runner import planning
from runner.executors import race, untimed
from runner.executors.race import RetryPolicy
from runner.launch import prepare
from runner.launch.attempt import TrialOptions
from runner.protocol import (
  columns,
  layout,
  plan_file,
  results_folder,
  storage,
)
from runner.protocol.plan import Machine, Plan, PlannedTrial, Source, Speed
from runner.protocol.suites.suite import Suite
from runner.protocol.timing import programs, time_profiles
from runner.protocol.trial_file import StepLimits
from submissions.algoperf import folders
from workloads.suggestions import hint

UNKNOWN = 10**9  # Steps of a profile that ends by its budget only.


def part(board: pathlib.Path, names: Sequence[str], suite: Suite) -> Plan:
  """Return some entries of a board's plan, on the workloads of a suite.

  Args:
    board: The results folder of the board.
    names: Names of the entries.
    suite: The suite whose workloads are timed.

  Raises:
    ValueError: the board has no such entry.
  """
  plan = results_folder.planned(board)
  for name in names:
    if name not in plan.sources:
      raise ValueError(
        f'No entry {name!r} on the board.{hint(name, plan.sources)} It has: '
        f'{", ".join(plan.sources)}.'
      )
  return dataclasses.replace(
    plan,
    trials=tuple(
      trial
      for trial in plan.trials
      if trial.submission in names and trial.workload in suite.workloads
    ),
    sources={name: plan.sources[name] for name in names},
  )


def plan_of(
  raced: Mapping[pathlib.Path, Plan],
  machine: Machine,
  speeds: Mapping[str, Speed],
) -> Plan:
  """Return the plan of one timed trial of each program of results folders.

  Args:
    raced: Plans by results folder; the first one has suite and ruleset.
    machine: This machine.
    speeds: Speeds of the reference algorithm on it by workload.
  """
  first = next(iter(raced.values()))
  suite = dataclasses.replace(
    first.suite,
    workloads={
      name: dataclasses.replace(spec, target=None)
      for name, spec in first.suite.workloads.items()
    },
  )
  trials, sources = [], {}
  for out, plan in raced.items():
    for name, source in plan.sources.items():
      sources[name] = _source(out, plan, name, source)
    for one, *_ in programs.grouped(plan.trials).values():
      spec = suite.workloads[one.workload]
      sha256 = plan.sources[one.submission].sha256
      known = plan_file.identity(one, sha256, spec)
      trials.append(dataclasses.replace(one, id=known))
  return plan_file.sealed(
    Plan(
      suite=suite,
      ruleset=first.ruleset,
      machine=machine,
      budgets=planning.budgets(suite, first.ruleset, speeds),
      sources=sources,
      trials=tuple(trials),
    )
  )


def _source(out: pathlib.Path, plan: Plan, name: str, source: Source) -> Source:
  """Return a submission's source; where it is not the same, its copy."""
  if source.file.exists() and folders.sha256(source.file) == source.sha256:
    return source
  for trial in plan.of(name):
    copy = layout.source(trial.folder(out), name)
    if copy.exists():
      return Source.at(copy.resolve(), source.sha256)
  return source


def run(
  out: pathlib.Path,
  plan: Plan,
  raced: Mapping[pathlib.Path, Plan],
  options: TrialOptions,
  retry: RetryPolicy,
) -> pathlib.Path:
  """Run the missing trials of a plan of `plan_of`; return their folder.

  Args:
    out: The results folder that gets the profiles.
    plan: The plan.
    raced: Plans by results folder, as `plan_of` got them.
    options: Options of all trials.
    retry: Attempts and pauses after machine failures.
  """
  place = time_profiles.folder(out, plan.machine.name)
  last = last_steps(raced)

  def limits(plan: Plan, trial: PlannedTrial) -> StepLimits:
    usual = untimed.by_reference(plan, trial)
    steps = last.get(programs.of(trial), UNKNOWN)
    return dataclasses.replace(usual, steps=steps, whole=usual.steps)

  for trial in plan.trials:
    if _is_stale(trial.folder(place), limits(plan, trial)):
      results_folder.put_aside(trial.folder(place))
  race.run(place, plan, options, limits=limits, retry=retry, mixed=True)
  return place


def last_steps(
  raced: Mapping[pathlib.Path, Plan],
) -> dict[programs.Program, int]:
  """Return the last evaluated step of the trials of each program."""
  found: dict[programs.Program, int] = {}
  for out, plan in raced.items():
    for trial in plan.trials:
      rows = storage.read_rows(trial.folder(out) / layout.EVALS)
      if rows:
        program = programs.of(trial)
        steps = [int(row[columns.STEP]) for row in rows]
        found[program] = max([found.get(program, 1), *steps])
  return found


def disturbed(place: pathlib.Path, plan: Plan) -> list[PlannedTrial]:
  """Return the timed trials from which other programs took too much.

  Args:
    place: The folder of the profiles.
    plan: Their plan.
  """
  return [trial for trial in plan.trials if _is_disturbed(trial.folder(place))]


def _is_disturbed(folder: pathlib.Path) -> bool:
  return folder.exists() and time_profiles.held_up(folder) > layout.HELD_UP


def _is_stale(folder: pathlib.Path, limits: StepLimits) -> bool:
  """Test whether a profile was disturbed, or ends before it is needed."""
  if not (folder / layout.EVALS).exists():
    return False
  known = time_profiles.read(folder)
  if known is None:
    return False
  short = not known.spent and known.steps[-1] < limits.steps
  return _is_disturbed(folder) or (short and _was_limited(folder))


def _was_limited(folder: pathlib.Path) -> bool:
  """Return whether a trial was ended by its limit of steps."""
  limit = prepare.spec(folder / layout.TRIAL).budget.steps
  rows: Sequence[dict[str, str]] = storage.read_rows(folder / layout.EVALS)
  return limit is not None and int(rows[-1][columns.STEP]) >= limit
