"""What the commands of `python -m runner` do; each returns its exit code.

0: done. 1: a trial or a check failed. Bad requests raise ValueError. Only the
commands that train import JAX, and those in processes of their own.
"""

import dataclasses
import json
import pathlib
import shlex
import sys
import traceback

import submissions
import workloads
from runner import options as chosen, summaries
from runner.executors import cluster, race
from runner.launch import attempt, child_process, isolation
from runner.launch.attempt import TrialOptions
from runner.options import Options
from runner.protocol import (
  attempt_spec,
  plan_file,
  results_folder,
  suite as suites,
  suite_files,
)
from runner.tools import (
  calibrate as calibration,
  forget as forgetting,
  preflight as preflights,
)


def run(options: Options) -> int:
  """Run what is missing, and resume what stopped."""
  suite = chosen.ready(options)
  machine = chosen.machine(options)
  here = chosen.is_here(options, machine)
  if options.executor == 'local':
    chosen.check_here(options, machine)
  elif options.trial.extra_hosts:
    raise ValueError(
      '--extra_hosts names hosts beside this one, and '
      f'--engine={options.executor} gives every trial one node. Leave out one '
      'of them.'
    )
  # Bad requests fail before measuring, and leave no folder.
  chosen.planned(options, suite, machine, {})
  results_folder.stored(options.out)
  if options.executor == 'local':
    results_folder.make(options.out)
  speeds = chosen.all_speeds(options, suite, machine)
  plan = chosen.planned(options, suite, machine, speeds)
  executor = cluster.find(
    options.executor, options.out, plan, chosen.of_executor(options)
  )
  merging = {'mixed': options.mixed, 'grows': options.studies is not None}
  if options.preflight and here:
    preflights.before(options.out, plan, options.trial, **merging)
  elif options.preflight:
    print(f'Nothing is tried beforehand: this is not {machine.name}.')
  whole = race.run(
    options.out,
    plan,
    options.trial,
    retry=options.retry,
    executor=executor,
    **merging,
  )
  left = attempt.pending(options.out, whole)
  total = len(whole.trials)
  print(f'{total - len(left)} of {total} trials done in {options.out}.')
  folder = shlex.quote(str(options.out))
  if left:
    print(f'See: python -m runner status --out={folder}', file=sys.stderr)
  else:
    print(f'Next: python -m scoring {folder} --out=report')
  return 1 if left else 0


def plan(options: Options) -> int:
  """Print what would be run, and how long it takes at most."""
  suite = chosen.chosen_suite(options)
  machine = chosen.machine(options)
  speeds = chosen.speeds(options, suite, machine)
  made = chosen.planned(options, suite, machine, speeds)
  if options.json:
    facts = {'hours': made.hours, 'cost': _cost(made.hours, options.price)}
    print(json.dumps(plan_file.dump(made) | facts, indent=2))
  else:
    print(summaries.of_plan(made, options.price))
  return 0


def preflight(options: Options) -> int:
  """Try every kind of trial for a few steps; predict times."""
  suite = chosen.ready(options)
  machine = chosen.machine(options)
  chosen.check_here(options, machine)
  speeds = chosen.speeds(options, suite, machine)
  made = chosen.planned(options, suite, machine, speeds)
  found = preflights.run(made, preflights.cells(made.trials), options.trial)
  if options.json:
    cost = _cost(preflights.hours(found), options.price)
    print(json.dumps(preflights.table(found) | {'cost': cost}, indent=2))
  else:
    print(summaries.of_forecasts(found, options.price))
  return 1 if any(one.failed for one in found) else 0


def _cost(hours: float | None, price: float | None) -> float | None:
  return None if hours is None or price is None else hours * price


def status(options: Options) -> int:
  """Print what is done, running, failed and why."""
  out = options.out
  stored = results_folder.stored(out)
  if stored is None:
    raise results_folder.ResultsError(
      f'No results in {out}. Make some: python -m runner run --out={out} ...'
    )
  rows = summaries.trials(out, stored)
  if options.json:
    print(json.dumps([row.to_json() for row in rows], indent=2))
  else:
    print(summaries.of_trials(rows))
  return 0


def forget(options: Options) -> int:
  """Take submissions out of a results folder."""
  for name, run, folder in forgetting.forget(
    options.out, chosen.named(options)
  ):
    print(
      f'{name} is out of {options.out}. Its files, with {run} trials that had '
      f'run, are in {folder}.'
    )
  return 0


def calibrate(options: Options) -> int:
  """Measure this machine anew."""
  suite = chosen.ready(options)
  machine = chosen.here(options)
  names = calibration.missing(suite, {})
  speeds = chosen.measured(options, suite, names, machine)
  for name, speed in speeds.items():
    seconds = speed.seconds(suite.workloads[name].steps)
    print(
      f'{name}: {speed.step_seconds * 1e3:.2f} ms a step, '
      f'{speed.compile_seconds:.1f} s to compile, {seconds:.1f} s in all.'
    )
  return 0


def check(options: Options) -> int:
  """Test submissions in processes of their own before they are entered."""
  from runner.tools import check as checks  # noqa: PLC0415

  names, wanted = chosen.named(options), options.workloads
  if not wanted:
    wanted = checks.order(chosen.load(options))
  suite = chosen.ready(dataclasses.replace(options, workloads=wanted))
  fast = not options.workloads
  if code := checks.main(suite, names, options.trial, fast):
    return code
  print(checks.following(options.suite, names, options.trial.data_dir))
  return 0


def set_targets(options: Options) -> int:
  """Find a suite's targets and write them into its file."""
  from runner.tools import set_targets as targets  # noqa: PLC0415

  suite = chosen.ready(options)
  path = suite_files.find(options.suite)
  targets.check(path, suite)
  names = options.submissions or targets.STRONG
  points, seeds = options.points, options.seeds
  found = targets.set_all(
    suite,
    names,
    points=points,
    seeds=seeds,
    machine=chosen.here(options),
    out=options.out,
    options=options.trial,
  )
  only = f'--workloads={",".join(suite.workloads)} '
  command = (
    f'python -m runner set-targets --suite={options.suite} '
    f'{only if options.workloads else ""}'
    f'--submissions={",".join(names)} --points={points} --seeds={seeds}'
  )
  targets.write(path, found, command)
  print(f'Targets written to {path}.')
  return 0


def tune(options: Options) -> int:
  """Find one point that is good on all workloads, for each submission."""
  from runner.tools import tune as tuning  # noqa: PLC0415

  suite = chosen.ready(options)
  tuning.check(suite)
  names = chosen.named(options)
  for name in names:  # Bad requests fail before hours are spent.
    tuning.candidates(suite, submissions.find(name), options.points)
  for name in names:
    found = tuning.tune(
      suite,
      name,
      draws=options.points,
      machine=chosen.here(options),
      out=options.out,
      options=options.trial,
    )
    print(tuning.text(name, found, len(suite.workloads)))
  return 0


def export_algoperf(options: Options) -> int:
  """Write each submission as a folder that AlgoPerf runs."""
  from submissions.algoperf import export  # noqa: PLC0415

  boards = [
    suites.load(board, workloads.canonical)
    for board in ('algoperf_v06', 'algoperf_a100')
  ]
  sizes = {
    name.replace('/', '_'): spec.batch_size
    for board in boards
    for name, spec in board.workloads.items()
  }
  for name in chosen.named(options):
    entry = submissions.find(name)
    try:
      folder = export.write(entry, options.out, sizes)
    except FileExistsError as error:
      raise ValueError(str(error)) from error
    print(f'Written to {folder}.')
  return 0


def work(out: pathlib.Path, trial_id: str, options: TrialOptions) -> int:
  """Run one trial of a results folder, on a machine of a scheduler's.

  Args:
    out: The results folder.
    trial_id: Id of the trial in the plan.
    options: Options of all trials.
  """
  status = cluster.work(out, trial_id, options)
  print(f'{status.outcome or "not run"}. {status.reason}')
  return 0 if status.outcome else 1


def trial(flag: str, progress_fd: int) -> int:
  """Be the process of one trial.

  It leaves at once, as its seconds are counted, and whatever happens: JAX
  would wait for hosts that are gone.

  Args:
    flag: Text of an AttemptSpec.
    progress_fd: Descriptor that progress events are written to.
  """
  spec = attempt_spec.parse(flag)
  isolation.limit(spec.memory_gib)
  child_process.answer_for_stacks()
  child_process.keep_to_itself()
  isolation.confine(spec)
  from runner.trial import multihost, worker  # noqa: PLC0415  Import JAX.

  hosts = multihost.join(spec)
  try:
    code = worker.main(spec, worker.progress_to(progress_fd), hosts)
  except Exception:
    traceback.print_exc()
    code = 1
  child_process.leave_at_once(code)
