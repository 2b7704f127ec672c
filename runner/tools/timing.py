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
  programs,
  results_folder,
  storage,
  time_profiles,
)
from runner.protocol.plan import Machine, Plan, PlannedTrial, Source, Speed
from runner.protocol.trial_file import StepLimits

UNKNOWN = 10**9  # Steps of a profile that ends by its budget only.


def plan_of(
  out: pathlib.Path,
  board: Plan,
  machine: Machine,
  speeds: Mapping[str, Speed],
) -> Plan:
  """Return the plan of one timed trial of each program of a board.

  Args:
    out: The results folder of the board.
    board: Its plan.
    machine: This machine.
    speeds: Speeds of the reference algorithm on it by workload.
  """
  suite = dataclasses.replace(
    board.suite,
    workloads={
      name: dataclasses.replace(spec, target=None)
      for name, spec in board.suite.workloads.items()
    },
  )
  trials = []
  for some in programs.grouped(board.trials).values():
    first = some[0]
    spec = suite.workloads[first.workload]
    sha256 = board.sources[first.submission].sha256
    known = plan_file.identity(first, sha256, spec)
    trials.append(dataclasses.replace(first, id=known))
  return plan_file.sealed(
    Plan(
      suite=suite,
      ruleset=board.ruleset,
      machine=machine,
      budgets=planning.budgets(suite, board.ruleset, speeds),
      sources={
        name: _source(out, board, name, source)
        for name, source in board.sources.items()
      },
      trials=tuple(trials),
    )
  )


def _source(
  out: pathlib.Path, board: Plan, name: str, source: Source
) -> Source:
  """Return a submission's source; where it is gone, its copy in a trial."""
  if pathlib.Path(source.path).exists():
    return source
  for trial in board.of(name):
    copy = layout.source(trial.folder(out), name)
    if copy.exists():
      return dataclasses.replace(source, path=str(copy))
  return source


def run(
  out: pathlib.Path, plan: Plan, options: TrialOptions, retry: RetryPolicy
) -> pathlib.Path:
  """Run the missing trials of a plan of `plan_of`; return their folder.

  Args:
    out: The results folder of the board.
    plan: The plan.
    options: Options of all trials.
    retry: Attempts and pauses after machine failures.
  """
  place = time_profiles.folder(out, plan.machine.name)
  last = last_steps(out)

  def limits(plan: Plan, trial: PlannedTrial) -> StepLimits:
    usual = untimed.by_reference(plan, trial)
    steps = last.get(programs.of(trial), UNKNOWN)
    return dataclasses.replace(usual, steps=steps)

  for trial in plan.trials:
    _extend(place, trial, limits(plan, trial))
  race.run(place, plan, options, limits=limits, retry=retry, mixed=True)
  return place


def last_steps(out: pathlib.Path) -> dict[programs.Program, int]:
  """Return the last evaluated step of the untimed trials of each program."""
  found: dict[programs.Program, int] = {}
  for trial in results_folder.planned(out).trials:
    folder = trial.folder(out)
    if not (folder / layout.EVALS).exists() or _is_timed(folder):
      continue
    rows = storage.read_rows(folder / layout.EVALS)
    program = programs.of(trial)
    steps = [int(row[columns.STEP]) for row in rows]
    found[program] = max([found.get(program, 1), *steps])
  return found


def _is_timed(folder: pathlib.Path) -> bool:
  return prepare.spec(folder / layout.TRIAL).timed


def _extend(
  place: pathlib.Path, trial: PlannedTrial, limits: StepLimits
) -> None:
  """Put a profile aside that ends before the step that is needed now."""
  folder = trial.folder(place)
  if not (folder / layout.EVALS).exists():
    return
  known = time_profiles.read(folder)
  if known is None or known.spent or known.steps[-1] >= limits.steps:
    return
  if layout.status(folder).outcome == 'ended' and _was_limited(folder):
    number = 1
    while (aside := folder.with_name(f'{folder.name}_aside_{number}')).exists():
      number += 1
    folder.rename(aside)


def _was_limited(folder: pathlib.Path) -> bool:
  """Return whether a trial was ended by its limit of steps."""
  limit = prepare.spec(folder / layout.TRIAL).budget.steps
  rows: Sequence[dict[str, str]] = storage.read_rows(folder / layout.EVALS)
  return limit is not None and int(rows[-1][columns.STEP]) >= limit
