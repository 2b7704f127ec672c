"""Targets of a suite, set by a smaller version of AlgoPerf's protocol.

Several algorithms are tuned over their search spaces with three quarters of
the step budget. The best point on a workload is repeated over seeds, and the
median of the best validation values becomes the target. All trials stop by
steps, so the machine's speed does not matter. Protocol: Dahl et al. 2023,
"Benchmarking Neural Network Training Algorithms", arXiv:2306.07179.
"""

import dataclasses
import math
import pathlib
import statistics
import tomllib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import submissions
import workloads
from runner import planning
from runner.executors.jobs import by_steps
from runner.launch.attempt import TrialOptions
from runner.protocol import layout, plan_file, storage, user_files
from runner.protocol.plan import Machine, Plan, PlannedTrial
from runner.protocol.suites import suite_files
from runner.protocol.suites.schema import SuiteError
from runner.protocol.suites.suite import Suite
from runner.protocol.suites.suite_files import Target
from runner.protocol.suites.workload_spec import Ruleset, WorkloadSpec

SHARE = 0.75  # Share of the step budget, as in AlgoPerf.
# Algorithms that AlgoPerf tunes for its targets.
STRONG = ('adamw', 'nadamw', 'nesterov', 'momentum')


class Best(NamedTuple):
  """The best trial on a workload."""

  trial: PlannedTrial
  value: float


class TargetsError(RuntimeError):
  """Too few trials succeeded to set a target."""


def set_all(
  suite: Suite,
  requests: Sequence[str],
  *,
  points: int,
  seeds: int,
  machine: Machine,
  out: pathlib.Path,
  options: TrialOptions,
  jobs: int = 1,
) -> dict[str, Target]:
  """Return targets by workload, each with its origin.

  Args:
    suite: The suite.
    requests: Submissions to tune.
    points: Number of points of each search space.
    seeds: Number of repetitions of the best point.
    machine: This machine.
    out: Results folder.
    options: Options of all trials.
    jobs: Number of trials at once.

  Raises:
    TargetsError: too few trials succeeded.
    UnfinishedError: some trials did not run.
  """
  suite = apart(suite)
  search = _plan(suite, requests, machine, studies=1, trials=points)
  values = _run(search, out / 'search', options, jobs)
  best = {
    name: _best(values, suite.workloads[name]) for name in suite.workloads
  }
  for name, found in best.items():
    print(f'{name}: {found.value:.5g} by {found.trial.submission}')
  entries = {entry.name: entry for entry in map(submissions.find, requests)}
  repeats = _plan(suite, requests, machine, studies=seeds, trials=1)
  trials = [
    planning.trial(
      repeats.suite,
      entries[found.trial.submission],
      name,
      study=study,
      number=1,
      point=found.trial.hyperparameters,
    )
    for name, found in best.items()
    for study in range(seeds)
  ]
  repeats = plan_file.sealed(dataclasses.replace(repeats, trials=tuple(trials)))
  again = _run(repeats, out / 'repeats', options, jobs)
  return {
    name: _target(suite.workloads[name], found, values, again, seeds)
    for name, found in best.items()
  }


def apart(suite: Suite) -> Suite:
  """Return the suite with a seed that no race uses.

  Otherwise a race would repeat the very trials that have set the target.
  """
  seed = plan_file.seed(suite.seed, 'targets', 0, 0)
  return dataclasses.replace(suite, seed=seed)


def check(path: pathlib.Path, suite: Suite) -> None:
  """Raise SuiteError if targets of the suite's workloads are not the file's.

  Rows without targets may be added to a file: in another world, targets of the
  suite that it extends do not hold.

  Args:
    path: The file, which may not be there yet.
    suite: The chosen part of the suite.
  """
  text = path.read_text(encoding='utf-8') if path.exists() else ''
  rows = suite_files.rows(tomllib.loads(text), workloads.canonical)
  foreign = [
    name
    for name, spec in suite.workloads.items()
    if name not in rows and spec.target is not None
  ]
  if foreign:
    raise SuiteError(
      f'{path} has no row of its own for {", ".join(foreign)}: their targets '
      'are set in the suite that it extends. Use '
      f'--workloads={",".join(rows)}.'
    )


def write(
  path: pathlib.Path, targets: Mapping[str, Target], command: str
) -> None:
  """Write targets and their origin into a suite's file.

  Args:
    path: The file.
    targets: Return value of `set_all`.
    command: The command that made the targets.
  """
  text = user_files.read(path)
  whole = suite_files.with_targets(
    text,
    targets,
    command,
    workloads.canonical,
    inherited=suite_files.whole(path),
  )
  user_files.replace(path, user_files.with_ends_of(text, whole).encode())


def lenient(value: float, lower: bool) -> float:
  """Round to four digits, so that the value itself meets the result.

  Args:
    value: The value.
    lower: Whether lower values are better.
  """
  scale = 10.0 ** (3 - math.floor(math.log10(abs(value)))) if value else 1.0
  rounded = math.ceil if lower else math.floor
  return float(f'{rounded(value * scale) / scale:.4g}')


def _plan(
  suite: Suite,
  requests: Sequence[str],
  machine: Machine,
  *,
  studies: int,
  trials: int,
) -> Plan:
  """Plan trials without targets, over SHARE of the step budget.

  Without starts, too: this command writes them into the suite, and would
  otherwise not know its own plan again when it is repeated.
  """
  specs = {
    name: dataclasses.replace(spec, steps=int(SHARE * spec.steps), start=None)
    for name, spec in suite.workloads.items()
  }
  ruleset = Ruleset(studies=studies, trials=trials, budget_factor=1.0)
  shorter = dataclasses.replace(
    suite, workloads=specs, rulesets={'external': ruleset}
  )
  return planning.make_endless(shorter, 'external', requests, machine)


def _run(
  plan: Plan, out: pathlib.Path, options: TrialOptions, jobs: int
) -> list[tuple[PlannedTrial, list[float]]]:
  """Run a plan; return the validation values of trials that trained."""
  by_steps(out, plan, options, jobs)
  return [
    (trial, values)
    for trial in plan.trials
    if (values := _values(trial.folder(out), plan.suite, trial.workload))
  ]


def _values(folder: pathlib.Path, suite: Suite, workload: str) -> list[float]:
  if not layout.status(folder).done:
    return []
  column = suite.workloads[workload].column
  return [float(r[column]) for r in storage.read_rows(folder / layout.EVALS)]


def _best(values, row: WorkloadSpec) -> Best:
  pick = _better(row)
  found = [Best(t, pick(v)) for t, v in values if t.workload == row.workload]
  if not found:
    raise TargetsError(
      f'No trial on {row.workload} has any evaluation. Their folders under '
      '--out say why; then repeat this command.'
    )
  return pick(found, key=lambda best: best.value)


def _better(row: WorkloadSpec):
  return min if row.better == 'lower' else max


def _target(row: WorkloadSpec, best: Best, values, again, seeds: int) -> Target:
  name, pick = row.workload, _better(row)
  repeated = [pick(v) for t, v in again if t.workload == name]
  if len(repeated) < seeds:
    raise TargetsError(
      f'Only {len(repeated)} of {seeds} repeats of {name} ran. Their folders '
      'under --out say why; then repeat this command.'
    )
  tuned: dict[str, float] = {}
  for trial, series in values:
    if trial.workload == name:
      known = tuned.get(trial.submission, pick(series))
      tuned[trial.submission] = pick(known, pick(series))
  return Target(
    target=lenient(statistics.median(repeated), row.better == 'lower'),
    submission=best.trial.submission,
    point=best.trial.hyperparameters,
    values=[float(f'{v:.5g}') for v in repeated],
    tuned={k: float(f'{v:.5g}') for k, v in tuned.items()},
  )
