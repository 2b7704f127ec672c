"""What the commands of `python -m runner` do; each returns its exit code.

0: done. 1: a trial or a check failed. Bad requests raise ValueError. Only the
commands that train import JAX, and those in processes of their own.
"""

import json
import os
import pathlib
import sys
from typing import NamedTuple

import submissions
import workloads
from runner import (
  calibrate as calibration,
  child,
  confine,
  engine,
  hardware,
  overview,
  plan as plans,
  preflight as preflights,
  progress,
  race,
  results,
  rules,
)
from workloads import data


class Request(NamedTuple):
  """The flags, turned into values at once."""

  suite: str
  submissions: tuple[str, ...]
  workloads: tuple[str, ...]
  ruleset: str
  studies: int | None
  out: pathlib.Path
  json: bool
  points: int = 10  # Of each search space, to tune with.
  seeds: int = 5  # Repeats of the best point.
  hardware: pathlib.Path = hardware.FOLDER  # Measured speeds of machines.
  care: race.Care = race.CARE  # For trials that the machine fails.
  terms: engine.Terms = engine.TERMS
  preflight: bool = True  # Before long runs.


def run(request: Request) -> int:
  """Runs what is missing, resumes what stopped."""
  suite = _ready(request)
  machine = hardware.describe()
  _plan(request, suite, machine, {})  # Bad requests fail before measuring.
  results.stored(request.out)
  speeds = _speeds(request, suite, machine)
  plan = _plan(request, suite, machine, speeds)
  if request.preflight:
    preflights.before(request.out, plan, request.terms)
  table = race.run(request.out, plan, request.terms, care=request.care)
  left = engine.pending(request.out, table)
  total = len(table['trials'])
  print(f'{total - len(left)} of {total} trials done in {request.out}.')
  if left:
    print(f'See: python -m runner status --out={request.out}', file=sys.stderr)
  return 1 if left else 0


def plan(request: Request) -> int:
  """Says what would be run, and how long at most."""
  suite = _suite(request)
  machine = hardware.describe()
  speeds = hardware.load(request.hardware, machine['name'], suite)
  made = _plan(request, suite, machine, speeds)
  if request.json:
    print(json.dumps(plans.table(made), indent=2))
  else:
    print(overview.of_plan(made))
  return 0


def preflight(request: Request) -> int:
  """Tries every kind of trial for a few steps; foretells times."""
  suite = _ready(request)
  machine = hardware.describe()
  speeds = hardware.load(request.hardware, machine['name'], suite)
  made = _plan(request, suite, machine, speeds)
  found = preflights.run(made, preflights.cells(made.trials), request.terms)
  if request.json:
    print(json.dumps(preflights.table(found), indent=2))
  else:
    print(overview.of_forecasts(found))
  return 1 if any(one.failed for one in found) else 0


def status(out: pathlib.Path, as_json: bool) -> int:
  """Says what is done, running, failed and why."""
  table = results.stored(out)
  if table is None:
    raise results.ResultsError(
      f'No results in {out}. Make some: python -m runner run --out={out} ...'
    )
  rows = overview.trials(out, table)
  print(json.dumps(rows, indent=2) if as_json else overview.of_trials(rows))
  return 0


def calibrate(request: Request) -> int:
  """Measures this machine anew."""
  suite = _ready(request)
  machine = hardware.describe()
  speeds = _measure(request, suite, calibration.missing(suite, {}), machine)
  for name, speed in speeds.items():
    seconds = speed.seconds(suite.workloads[name].steps)
    print(
      f'{name}: {speed.step_seconds * 1e3:.2f} ms a step, '
      f'{speed.compile_seconds:.1f} s to compile, {seconds:.1f} s in all.'
    )
  return 0


def check(request: Request) -> int:
  """Tests submissions in processes of their own before they are entered."""
  from runner import check as checks  # noqa: PLC0415

  return checks.main(_ready(request), request.submissions, request.terms)


def set_targets(request: Request) -> int:
  """Finds a suite's targets and writes them into its file."""
  from runner import targets  # noqa: PLC0415

  suite = _ready(request)
  path = rules.find(request.suite)
  targets.check(path, suite)
  names = request.submissions or targets.STRONG
  points, seeds = request.points, request.seeds
  found = targets.set_all(
    suite,
    names,
    points,
    seeds,
    hardware.describe(),
    request.out,
    request.terms,
  )
  only = f'--workloads={",".join(suite.workloads)} '
  command = (
    f'python -m runner set-targets --suite={request.suite} '
    f'{only if request.workloads else ""}'
    f'--submissions={",".join(names)} --points={points} --seeds={seeds}'
  )
  targets.write(path, found, command)
  print(f'Targets written to {path}.')
  return 0


def tune(request: Request) -> int:
  """Finds one point that is good on all workloads, for each submission."""
  from runner import tune as tuning  # noqa: PLC0415

  suite = _ready(request)
  tuning.check(suite)
  names = _named(request)
  for name in names:  # Bad requests fail before hours are spent.
    tuning.candidates(suite, submissions.find(name), request.points)
  for name in names:
    found = tuning.tune(
      suite,
      name,
      request.points,
      hardware.describe(),
      request.out,
      request.terms,
    )
    print(tuning.text(name, found, len(suite.workloads)))
  return 0


def export_algoperf(request: Request) -> int:
  """Writes each submission as a folder that AlgoPerf runs."""
  from submissions.algoperf import export  # noqa: PLC0415

  boards = [rules.load(board) for board in ('algoperf_v06', 'algoperf_a100')]
  sizes = {
    name.replace('/', '_'): row.batch_size
    for board in boards
    for name, row in board.workloads.items()
  }
  for name in _named(request):
    entry = submissions.find(name)
    try:
      folder = export.write(entry, request.out, sizes)
    except FileExistsError as error:
      raise ValueError(str(error)) from error
    print(f'Written to {folder}.')
  return 0


def trial(
  folder: pathlib.Path,
  started: float,
  progress_fd: int,
  memory_gib: float | None,
) -> int:
  """The process of one trial. Leaves at once: its seconds are counted."""
  confine.limit(memory_gib)
  child.answer_for_stacks()
  from runner import process  # noqa: PLC0415  Imports JAX.

  process.main(folder, started, process.teller(progress_fd))
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(0)


def _ready(request: Request) -> rules.Rules:
  """The suite, its data being there; else DataError says how to get them."""
  suite = _suite(request)
  for row in suite.workloads.values():
    name = workloads.canonical(row.workload)
    if data.needed(name):
      data.find(name, request.terms.data_dir)
  return suite


def _suite(request: Request) -> rules.Rules:
  suite = rules.load(request.suite)
  rows = suite.workloads | suite.unscored
  chosen = tuple(map(workloads.canonical, request.workloads))
  for name in chosen:
    if name not in rows:
      workloads.check(name)
      raise rules.RulesError(
        f'Suite {suite.name} has no workload {name!r}. '
        f'It has: {", ".join(rows)}.'
      )
  chosen = chosen or tuple(suite.workloads)
  rulesets = suite.rulesets
  if request.studies is not None:
    if request.studies < 1:
      raise rules.RulesError(f'--studies={request.studies} must be positive.')
    rulesets = {
      name: ruleset._replace(studies=request.studies)
      for name, ruleset in rulesets.items()
    }
  return suite._replace(
    rulesets=rulesets,
    workloads={name: _alone(rows[name], chosen) for name in chosen},
    unscored={},
  )


def _alone(row: rules.Row, chosen: tuple[str, ...]) -> rules.Row:
  """A held-out variant that is raced without its base scores by itself."""
  return row if row.held_out_of in chosen else row._replace(held_out_of=None)


def _named(request: Request) -> tuple[str, ...]:
  if not request.submissions:
    raise ValueError(
      'No submissions. Name some: --submissions=nadamw,lion,path/to/mine.py, '
      'or all that come with TimeTrial: --submissions=all'
    )
  if request.submissions != ('all',):
    return request.submissions
  known = submissions.names()
  if request.ruleset == 'external':  # Restarts, for one, tune themselves.
    return tuple(n for n in known if submissions.find(n).space is not None)
  return known


def _plan(request: Request, suite, machine, speeds) -> plans.Plan:
  return plans.make(suite, request.ruleset, _named(request), machine, speeds)


def _speeds(request: Request, suite, machine) -> dict[str, hardware.Speed]:
  """Speeds on this machine, measured now where they are not known yet."""
  speeds = hardware.load(request.hardware, machine['name'], suite)
  if lacking := calibration.missing(suite, speeds):
    speeds |= _measure(request, suite, lacking, machine)
  return speeds


def _measure(
  request: Request, suite, names, machine
) -> dict[str, hardware.Speed]:
  print(f'Measuring {suite.reference} on this machine ({machine["name"]}) ...')
  with progress.Progress(len(names)) as live:
    speeds = {}
    for name in names:
      live.begin(
        f'{suite.reference} on {name}',
        {'metric': suite.workloads[name].metric},
      )
      speeds[name] = calibration.measure(
        suite, name, machine, request.terms, live.tell
      )
  path = hardware.save(request.hardware, machine, suite, speeds)
  print(f'Written to {path}.')
  return speeds
