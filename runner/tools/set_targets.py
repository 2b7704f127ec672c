"""Sets a suite's targets: AlgoPerf's protocol, scaled down.

Several algorithms are tuned over their search spaces with three quarters of
the step budget. The best point on a workload is repeated over seeds, and the
median of the best validation values becomes the target. Everything runs by
steps, so the machine's speed does not matter. Protocol: Dahl et al. 2023,
"Benchmarking Neural Network Training Algorithms", arXiv:2306.07179.
"""

import datetime
import math
import pathlib
import statistics
import tomllib
from collections.abc import Sequence
from typing import Any, NamedTuple

import workloads
from runner.executors import race
from runner.launch import attempt
from runner.protocol import (
  layout,
  plan,
  plan_file,
  storage,
  suite as rules,
  user_files,
)
from runner.protocol.plan import Plan, Trial

SHARE = 0.75  # Of the step budget, as AlgoPerf.
STRONG = ('adamw', 'nadamw', 'nesterov', 'momentum')  # As AlgoPerf.


class Best(NamedTuple):
  """The best trial on a workload."""

  trial: Trial
  value: float


class TargetsError(RuntimeError):
  """Not enough trials went well to set a target."""


def set_all(
  suite: rules.Suite,
  requests: Sequence[str],
  points: int,
  seeds: int,
  machine: dict,
  out: pathlib.Path,
  terms: attempt.TrialOptions,
) -> dict[str, dict[str, Any]]:
  """Targets by workload, each with the figures that made it."""
  suite = apart(suite)
  search = _plan(suite, requests, machine, studies=1, trials=points)
  values = _run(search, out / 'search', terms)
  best = {
    name: _best(values, suite.workloads[name]) for name in suite.workloads
  }
  for name, found in best.items():
    print(f'{name}: {found.value:.5g} by {found.trial.submission}')
  repeats = _plan(suite, requests, machine, studies=seeds, trials=1)
  repeats = repeats._replace(
    trials=[
      plan.trial(
        repeats.suite,
        repeats.entries[found.trial.submission],
        name,
        study,
        1,
        found.trial.hyperparameters,
      )
      for name, found in best.items()
      for study in range(seeds)
    ]
  )
  again = _run(repeats, out / 'repeats', terms)
  return {
    name: _target(suite.workloads[name], found, values, again, seeds)
    for name, found in best.items()
  }


def apart(suite: rules.Suite) -> rules.Suite:
  """With draws, initial parameters and orders of data that no race has.

  A submission that races again what set a target would have met it before.
  """
  return suite._replace(seed=plan_file.seed(suite.seed, 'targets', 0, 0))


def check(path: pathlib.Path, suite: rules.Suite) -> None:
  """Raises SuiteError where the file has no rows to write targets into."""
  rows = _rows(tomllib.loads(path.read_text(encoding='utf-8')))
  if foreign := [name for name in suite.workloads if name not in rows]:
    raise rules.SuiteError(
      f'{path} has no row of its own for {", ".join(foreign)}: their targets '
      f'are set in the suite that it extends. Say --workloads={",".join(rows)}.'
    )


def write(path: pathlib.Path, targets: dict[str, dict], command: str) -> None:
  """Writes targets and their origin into a suite's file."""
  import tomlkit  # noqa: PLC0415  Keeps the file's comments.

  text = user_files.read(path)
  document = tomlkit.parse(text)
  rows = _rows(document)
  for name, facts in targets.items():
    row = rows[name]
    row['target'] = facts.pop('target')
    today = datetime.datetime.now(datetime.UTC).date()
    row['origin'] = {'command': command, 'date': today} | facts
  written = user_files.with_ends_of(text, tomlkit.dumps(document))
  user_files.replace(path, written.encode())


def _rows(document) -> dict[str, Any]:
  return {
    workloads.canonical(key): row
    for part in ('workloads', 'unscored')
    for key, row in document.get(part, {}).items()
  }


def lenient(value: float, lower: bool) -> float:
  """Four digits, rounded so that the value itself still meets them."""
  scale = 10.0 ** (3 - math.floor(math.log10(abs(value)))) if value else 1.0
  rounded = math.ceil if lower else math.floor
  return float(f'{rounded(value * scale) / scale:.4g}')


def _plan(
  suite: rules.Suite, requests, machine, *, studies: int, trials: int
) -> Plan:
  """Trials without targets, and three quarters as long."""
  rows = {
    name: row._replace(steps=int(SHARE * row.steps))
    for name, row in suite.workloads.items()
  }
  ruleset = rules.Ruleset(studies, trials, 1.0)
  shorter = suite._replace(workloads=rows, rulesets={'external': ruleset})
  return plan.make_endless(shorter, 'external', requests, machine)


def _run(
  made: Plan, out: pathlib.Path, terms: attempt.TrialOptions
) -> list[tuple[Trial, list[float]]]:
  """Trials with their validation values, of those that trained."""
  race.run(out, made, terms, race.by_steps)
  return [
    (trial, values)
    for trial in made.trials
    if (values := _values(trial.folder(out), made.suite, trial.workload))
  ]


def _values(
  folder: pathlib.Path, suite: rules.Suite, workload: str
) -> list[float]:
  if not layout.status(folder).done:
    return []
  column = suite.workloads[workload].column
  return [float(r[column]) for r in storage.read_rows(folder / layout.EVALS)]


def _best(values, row: rules.WorkloadSpec) -> Best:
  pick = _better(row)
  found = [Best(t, pick(v)) for t, v in values if t.workload == row.workload]
  if not found:
    raise TargetsError(f'No trial on {row.workload} has any evaluation.')
  return pick(found, key=lambda best: best.value)


def _better(row: rules.WorkloadSpec):
  return min if row.better == 'lower' else max


def _target(
  row: rules.WorkloadSpec, best: Best, values, again, seeds: int
) -> dict[str, Any]:
  name, pick = row.workload, _better(row)
  repeated = [pick(v) for t, v in again if t.workload == name]
  if len(repeated) < seeds:
    raise TargetsError(
      f'Only {len(repeated)} of {seeds} repeats of {name} ran.'
    )
  tuned: dict[str, float] = {}
  for trial, series in values:
    if trial.workload == name:
      known = tuned.get(trial.submission, pick(series))
      tuned[trial.submission] = pick(known, pick(series))
  return {
    'target': lenient(statistics.median(repeated), row.better == 'lower'),
    'submission': best.trial.submission,
    'point': best.trial.hyperparameters,
    'values': [float(f'{v:.5g}') for v in repeated],
    'tuned': {k: float(f'{v:.5g}') for k, v in tuned.items()},
  }
