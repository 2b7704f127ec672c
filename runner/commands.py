"""What the commands of `python -m runner` do; each returns its exit code.

0: done. 1: a trial or a check failed. Bad requests raise ValueError. Only the
commands that train import JAX, and those in processes of their own.
"""

import json
import pathlib
import shlex
import sys
import traceback

import submissions
from runner import options, summaries
from runner.executors import cluster, race
from runner.launch import attempt, child_process, isolation
from runner.machine import hardware
from runner.protocol import (
  plan as plans,
  results_folder,
  suite as rules,
  suite_files,
)
from runner.tools import (
  calibrate as calibration,
  forget as forgetting,
  preflight as preflights,
)


def run(request: options.Request) -> int:
  """Runs what is missing, resumes what stopped."""
  suite = options.ready(request)
  machine = options.machine(request)
  here = options.is_here(request, machine)
  if request.engine == 'local':
    options.check_here(request, machine)
  elif request.terms.also_on:
    raise ValueError(
      f'--also_on names hosts beside this one, and --engine={request.engine} '
      'gives every trial one node. Leave out one of them.'
    )
  # Bad requests fail before measuring.
  options.planned(request, suite, machine, {})
  results_folder.make(request.out)
  speeds = options.known_speeds(request, suite, machine)
  plan = options.planned(request, suite, machine, speeds)
  through = cluster.find(
    request.engine, request.out, plan, options.options(request)
  )
  if request.preflight and here:
    preflights.before(request.out, plan, request.terms)
  elif request.preflight:
    print(f'Nothing is tried beforehand: this is not {machine["name"]}.')
  table = race.run(
    request.out, plan, request.terms, care=request.care, through=through
  )
  left = attempt.pending(request.out, table)
  total = len(table['trials'])
  print(f'{total - len(left)} of {total} trials done in {request.out}.')
  folder = shlex.quote(str(request.out))
  if left:
    print(f'See: python -m runner status --out={folder}', file=sys.stderr)
  else:
    print(f'Next: python -m scoring {folder} --out=report')
  return 1 if left else 0


def plan(request: options.Request) -> int:
  """Says what would be run, and how long at most."""
  suite = options.chosen_suite(request)
  machine = options.machine(request)
  speeds = hardware.load(request.hardware, machine['name'], suite)
  made = options.planned(request, suite, machine, speeds)
  if request.json:
    facts = {'hours': made.hours, 'cost': _cost(made.hours, request.price)}
    print(json.dumps(plans.table(made) | facts, indent=2))
  else:
    print(summaries.of_plan(made, request.price))
  return 0


def preflight(request: options.Request) -> int:
  """Tries every kind of trial for a few steps; foretells times."""
  suite = options.ready(request)
  machine = options.machine(request)
  options.check_here(request, machine)
  speeds = hardware.load(request.hardware, machine['name'], suite)
  made = options.planned(request, suite, machine, speeds)
  found = preflights.run(made, preflights.cells(made.trials), request.terms)
  if request.json:
    cost = _cost(preflights.hours(found), request.price)
    print(json.dumps(preflights.table(found) | {'cost': cost}, indent=2))
  else:
    print(summaries.of_forecasts(found, request.price))
  return 1 if any(one.failed for one in found) else 0


def _cost(hours: float | None, price: float | None) -> float | None:
  return None if hours is None or price is None else hours * price


def status(out: pathlib.Path, as_json: bool) -> int:
  """Says what is done, running, failed and why."""
  table = results_folder.stored(out)
  if table is None:
    raise results_folder.ResultsError(
      f'No results in {out}. Make some: python -m runner run --out={out} ...'
    )
  rows = summaries.trials(out, table)
  print(json.dumps(rows, indent=2) if as_json else summaries.of_trials(rows))
  return 0


def forget(request: options.Request) -> int:
  """Takes submissions out of a results folder."""
  for name, run, folder in forgetting.forget(
    request.out, options.named(request)
  ):
    print(
      f'{name} is out of {request.out}. Its files, with {run} trials that had '
      f'run, are in {folder}.'
    )
  return 0


def calibrate(request: options.Request) -> int:
  """Measures this machine anew."""
  suite = options.ready(request)
  machine = options.here(request)
  speeds = options.measured(
    request, suite, calibration.missing(suite, {}), machine
  )
  for name, speed in speeds.items():
    seconds = speed.seconds(suite.workloads[name].steps)
    print(
      f'{name}: {speed.step_seconds * 1e3:.2f} ms a step, '
      f'{speed.compile_seconds:.1f} s to compile, {seconds:.1f} s in all.'
    )
  return 0


def check(request: options.Request) -> int:
  """Tests submissions in processes of their own before they are entered."""
  from runner.tools import check as checks  # noqa: PLC0415

  names, chosen = options.named(request), request.workloads
  if not chosen:
    chosen = checks.order(rules.load(request.suite))
  suite = options.ready(request._replace(workloads=chosen))
  fast = not request.workloads
  if code := checks.main(suite, names, request.terms, fast):
    return code
  print(checks.following(request.suite, names, request.terms.data_dir))
  return 0


def set_targets(request: options.Request) -> int:
  """Finds a suite's targets and writes them into its file."""
  from runner.tools import set_targets as targets  # noqa: PLC0415

  suite = options.ready(request)
  path = suite_files.find(request.suite)
  targets.check(path, suite)
  names = request.submissions or targets.STRONG
  points, seeds = request.points, request.seeds
  found = targets.set_all(
    suite,
    names,
    points,
    seeds,
    options.here(request),
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


def tune(request: options.Request) -> int:
  """Finds one point that is good on all workloads, for each submission."""
  from runner.tools import tune as tuning  # noqa: PLC0415

  suite = options.ready(request)
  tuning.check(suite)
  names = options.named(request)
  for name in names:  # Bad requests fail before hours are spent.
    tuning.candidates(suite, submissions.find(name), request.points)
  for name in names:
    found = tuning.tune(
      suite,
      name,
      request.points,
      options.here(request),
      request.out,
      request.terms,
    )
    print(tuning.text(name, found, len(suite.workloads)))
  return 0


def export_algoperf(request: options.Request) -> int:
  """Writes each submission as a folder that AlgoPerf runs."""
  from submissions.algoperf import export  # noqa: PLC0415

  boards = [rules.load(board) for board in ('algoperf_v06', 'algoperf_a100')]
  sizes = {
    name.replace('/', '_'): row.batch_size
    for board in boards
    for name, row in board.workloads.items()
  }
  for name in options.named(request):
    entry = submissions.find(name)
    try:
      folder = export.write(entry, request.out, sizes)
    except FileExistsError as error:
      raise ValueError(str(error)) from error
    print(f'Written to {folder}.')
  return 0


def work(out: pathlib.Path, name: str, terms: attempt.Terms) -> int:
  """Runs one trial of a results folder, on a machine of an engine's."""
  status = cluster.work(out, name, terms)
  print(f'{status.outcome or "not run"}. {status.reason}')
  return 0 if status.outcome else 1


def trial(
  folder: pathlib.Path,
  started: float,
  progress_fd: int,
  memory_gib: float | None,
  profile: int,
  beaten: float,
  place: tuple[int, int, str],
) -> int:
  """The process of one trial. Leaves at once: its seconds are counted.

  And whatever happens: JAX would wait for hosts that are gone.
  """
  isolation.limit(memory_gib)
  child_process.answer_for_stacks()
  child_process.keep_to_itself()
  from runner.trial import multihost, worker  # noqa: PLC0415  Import JAX.

  joined = multihost.join(multihost.Place(*place))
  try:
    tell = worker.teller(progress_fd)
    code = worker.main(folder, started, tell, joined, profile, beaten)
  except Exception:
    traceback.print_exc()
    code = 1
  child_process.leave_at_once(code)
