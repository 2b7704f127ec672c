"""Commands before a race; each returns its exit code, as in runner.commands.

They measure a machine, test submissions, and set targets and points.
"""

import dataclasses

import submissions
import workloads
from runner import machines, options as chosen
from runner.options import Options
from runner.protocol.suites import suite as suites, suite_files
from runner.tools import calibrate as calibration
from workloads import worlds

TUNING = 'mini_tuning'  # Suite that `tune` uses if none is named.


def calibrate(options: Options) -> int:
  """Measure the speeds of this machine again."""
  suite = chosen.ready(options)
  machine = machines.here(options)
  names = calibration.missing(suite, {})
  speeds = machines.measured(options, suite, names, machine)
  for name, speed in speeds.items():
    seconds = speed.seconds(suite.workloads[name].steps, suite.charges)
    print(
      f'{name}: {speed.step_seconds * 1e3:.2f} ms a step, '
      f'{speed.compile_seconds:.1f} s to compile, {seconds:.1f} s in all.'
    )
  return 0


def check(options: Options) -> int:
  """Test submissions in child processes before they are entered."""
  from runner.tools import check as checks  # noqa: PLC0415

  names, wanted = chosen.named(options), options.workloads
  if not wanted:
    wanted = checks.order(chosen.load(options))
    if options.world is not None:
      wanted = tuple(name for name in wanted if worlds.exist(name))
  suite = chosen.ready(dataclasses.replace(options, workloads=wanted))
  fast = not options.workloads
  if code := checks.main(suite, names, options.trial, fast):
    return code
  print(
    checks.following(
      options.suite, names, options.trial.data_dir, options.world
    )
  )
  return 0


def set_targets(options: Options) -> int:
  """Find a suite's targets and starts and write them into its file."""
  from runner.tools import set_targets as targets, starts  # noqa: PLC0415

  suite = chosen.ready(options)
  path, world = suite_files.find(options.suite), ''
  if options.world is not None:
    path = suite_files.world_file(options.suite, options.world)
    world = f'--world={options.world} '
  targets.check(path, suite)
  begins = starts.measure(suite, options.trial.data_dir)
  if options.world is not None and not path.exists():
    text = suite_files.world_text(options.suite, options.world)
    path.write_text(text, encoding='utf-8')
  starts.write(path, begins)  # First: a ladder needs them beside its targets.
  if options.starts_only:
    print(f'Starts written to {path}.')
    return 0
  names = options.submissions or targets.STRONG
  points, seeds = options.points, options.seeds
  found = targets.set_all(
    suite,
    names,
    points=points,
    seeds=seeds,
    machine=machines.here(options),
    out=options.out,
    options=options.trial,
    jobs=options.jobs,
  )
  only = f'--workloads={",".join(suite.workloads)} '
  command = (
    f'timetrial set-targets --suite={options.suite} {world}'
    f'{only if options.workloads else ""}'
    f'--submissions={",".join(names)} --points={points} --seeds={seeds}'
  )
  targets.write(path, found, command)
  print(f'Targets written to {path}.')
  return 0


def tune(options: Options) -> int:
  """Find, for each submission, one point that is good on all workloads."""
  from runner.tools.tuning import adopt, draws, tune as tuning  # noqa: PLC0415

  suite = chosen.ready(options)
  names = chosen.named(options)
  for name in names:  # Wrong options fail before hours are spent.
    entry = submissions.find(name)
    draws.first(suite, entry, options.points)
    if options.write:
      adopt.check(entry)
  if options.suite == TUNING:
    print(
      f'Tuning on suite {TUNING}: no board is made on its data. For another '
      'one: --suite.'
    )
  if warning := tuning.warning(suite, options.suite):
    print(warning)
  for name in names:
    entry = submissions.find(name)
    if tuning.adopted(options.out, entry):
      print(
        f'{name}: SELF is the best point of the tuning in {options.out}. To '
        'tune it again: another --out.'
      )
      continue
    found = tuning.tune(
      suite,
      entry,
      draws=options.points,
      machine=machines.here(options),
      out=options.out,
      options=options.trial,
      jobs=options.jobs,
    )
    print(tuning.text(name, found, suite))
    if options.write:
      changed = adopt.write(entry, found[0].point)
      print(f'{entry.path}: SELF is {"new" if changed else "as it was"}.')
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
