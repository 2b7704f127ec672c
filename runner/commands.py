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
from runner import (
  calibrate as calibration,
  child,
  confine,
  engine,
  fleet,
  forgetting,
  hardware,
  overview,
  plan as plans,
  preflight as preflights,
  race,
  requests,
  results,
  rules,
  suite_files,
)


def run(request: requests.Request) -> int:
  """Runs what is missing, resumes what stopped."""
  suite = requests.ready(request)
  machine = requests.machine(request)
  here = requests.is_here(request, machine)
  if request.engine == 'local':
    requests.check_here(request, machine)
  elif request.terms.also_on:
    raise ValueError(
      f'--also_on names hosts beside this one, and --engine={request.engine} '
      'gives every trial one node. Leave out one of them.'
    )
  # Bad requests fail before measuring.
  requests.planned(request, suite, machine, {})
  results.make(request.out)
  speeds = requests.known_speeds(request, suite, machine)
  plan = requests.planned(request, suite, machine, speeds)
  through = fleet.find(
    request.engine, request.out, plan, requests.options(request)
  )
  if request.preflight and here:
    preflights.before(request.out, plan, request.terms)
  elif request.preflight:
    print(f'Nothing is tried beforehand: this is not {machine["name"]}.')
  table = race.run(
    request.out, plan, request.terms, care=request.care, through=through
  )
  left = engine.pending(request.out, table)
  total = len(table['trials'])
  print(f'{total - len(left)} of {total} trials done in {request.out}.')
  folder = shlex.quote(str(request.out))
  if left:
    print(f'See: python -m runner status --out={folder}', file=sys.stderr)
  else:
    print(f'Next: python -m scoring {folder} --out=report')
  return 1 if left else 0


def plan(request: requests.Request) -> int:
  """Says what would be run, and how long at most."""
  suite = requests.chosen_suite(request)
  machine = requests.machine(request)
  speeds = hardware.load(request.hardware, machine['name'], suite)
  made = requests.planned(request, suite, machine, speeds)
  if request.json:
    facts = {'hours': made.hours, 'cost': _cost(made.hours, request.price)}
    print(json.dumps(plans.table(made) | facts, indent=2))
  else:
    print(overview.of_plan(made, request.price))
  return 0


def preflight(request: requests.Request) -> int:
  """Tries every kind of trial for a few steps; foretells times."""
  suite = requests.ready(request)
  machine = requests.machine(request)
  requests.check_here(request, machine)
  speeds = hardware.load(request.hardware, machine['name'], suite)
  made = requests.planned(request, suite, machine, speeds)
  found = preflights.run(made, preflights.cells(made.trials), request.terms)
  if request.json:
    cost = _cost(preflights.hours(found), request.price)
    print(json.dumps(preflights.table(found) | {'cost': cost}, indent=2))
  else:
    print(overview.of_forecasts(found, request.price))
  return 1 if any(one.failed for one in found) else 0


def _cost(hours: float | None, price: float | None) -> float | None:
  return None if hours is None or price is None else hours * price


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


def forget(request: requests.Request) -> int:
  """Takes submissions out of a results folder."""
  for name, run, folder in forgetting.forget(
    request.out, requests.named(request)
  ):
    print(
      f'{name} is out of {request.out}. Its files, with {run} trials that had '
      f'run, are in {folder}.'
    )
  return 0


def calibrate(request: requests.Request) -> int:
  """Measures this machine anew."""
  suite = requests.ready(request)
  machine = requests.here(request)
  speeds = requests.measured(
    request, suite, calibration.missing(suite, {}), machine
  )
  for name, speed in speeds.items():
    seconds = speed.seconds(suite.workloads[name].steps)
    print(
      f'{name}: {speed.step_seconds * 1e3:.2f} ms a step, '
      f'{speed.compile_seconds:.1f} s to compile, {seconds:.1f} s in all.'
    )
  return 0


def check(request: requests.Request) -> int:
  """Tests submissions in processes of their own before they are entered."""
  from runner import check as checks  # noqa: PLC0415

  names, chosen = requests.named(request), request.workloads
  if not chosen:
    chosen = checks.order(rules.load(request.suite))
  suite = requests.ready(request._replace(workloads=chosen))
  fast = not request.workloads
  if code := checks.main(suite, names, request.terms, fast):
    return code
  print(checks.following(request.suite, names, request.terms.data_dir))
  return 0


def set_targets(request: requests.Request) -> int:
  """Finds a suite's targets and writes them into its file."""
  from runner import targets  # noqa: PLC0415

  suite = requests.ready(request)
  path = suite_files.find(request.suite)
  targets.check(path, suite)
  names = request.submissions or targets.STRONG
  points, seeds = request.points, request.seeds
  found = targets.set_all(
    suite,
    names,
    points,
    seeds,
    requests.here(request),
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


def tune(request: requests.Request) -> int:
  """Finds one point that is good on all workloads, for each submission."""
  from runner import tune as tuning  # noqa: PLC0415

  suite = requests.ready(request)
  tuning.check(suite)
  names = requests.named(request)
  for name in names:  # Bad requests fail before hours are spent.
    tuning.candidates(suite, submissions.find(name), request.points)
  for name in names:
    found = tuning.tune(
      suite,
      name,
      request.points,
      requests.here(request),
      request.out,
      request.terms,
    )
    print(tuning.text(name, found, len(suite.workloads)))
  return 0


def export_algoperf(request: requests.Request) -> int:
  """Writes each submission as a folder that AlgoPerf runs."""
  from submissions.algoperf import export  # noqa: PLC0415

  boards = [rules.load(board) for board in ('algoperf_v06', 'algoperf_a100')]
  sizes = {
    name.replace('/', '_'): row.batch_size
    for board in boards
    for name, row in board.workloads.items()
  }
  for name in requests.named(request):
    entry = submissions.find(name)
    try:
      folder = export.write(entry, request.out, sizes)
    except FileExistsError as error:
      raise ValueError(str(error)) from error
    print(f'Written to {folder}.')
  return 0


def work(out: pathlib.Path, name: str, terms: engine.Terms) -> int:
  """Runs one trial of a results folder, on a machine of an engine's."""
  status = fleet.work(out, name, terms)
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
  confine.limit(memory_gib)
  child.answer_for_stacks()
  child.keep_to_itself()
  from runner import hosts, process  # noqa: PLC0415  Import JAX.

  joined = hosts.join(hosts.Place(*place))
  try:
    tell = process.teller(progress_fd)
    code = process.main(folder, started, tell, joined, profile, beaten)
  except Exception:
    traceback.print_exc()
    code = 1
  child.leave_at_once(code)
