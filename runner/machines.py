"""The machine that options select, and the speeds that are known of it."""

import dataclasses

from runner.executors import progress
from runner.machine import hardware, speeds as measured_speeds
from runner.options import Options
from runner.protocol.plan import Machine, Speed
from runner.protocol.suites.suite import Suite
from runner.tools import calibrate


def machine(options: Options) -> Machine:
  """Return the kind of machine that trials are for: by default this one."""
  if options.machine is None:
    return here(options)
  return measured_speeds.find(options.hardware_dir, options.machine)


def here(options: Options) -> Machine:
  """Return this machine's kind, with all hosts of a trial."""
  return hardware.describe(options.trial.hosts)


def is_here(options: Options, machine: Machine) -> bool:
  """Test whether trials are for this machine's kind."""
  return machine.name == here(options).name


def check_here(options: Options, machine: Machine) -> None:
  """Raise ValueError unless trials are for this machine's kind."""
  if not is_here(options, machine):
    raise ValueError(
      f'Trials are for {machine.name}, and this machine is another kind. Leave '
      'out --hardware, or name an --engine that has such machines.'
    )


def speeds(
  options: Options, suite: Suite, machine: Machine
) -> dict[str, Speed]:
  """Return the speeds on a kind of machine, where they are known.

  Args:
    options: The options.
    suite: The chosen suite.
    machine: The kind of machine.
  """
  return measured_speeds.load(options.hardware_dir, machine.name, suite)


def all_speeds(
  options: Options, suite: Suite, machine: Machine
) -> dict[str, Speed]:
  """Return all speeds; measure unknown speeds now.

  Args:
    options: The options.
    suite: The chosen suite.
    machine: The kind of machine.

  Raises:
    ValueError: speeds of other machines are unknown.
  """
  known = speeds(options, suite, machine)
  lacking = calibrate.missing(suite, known)
  if lacking and options.executor != 'local':
    # This machine may be a login node, which must not be measured.
    raise ValueError(
      f'{machine.name} is not calibrated for {", ".join(lacking)}. On one '
      f'such machine, with no other load: timetrial calibrate '
      f'--suite={options.suite} '
      f'--hardware_dir={options.hardware_dir.absolute()}. Then use '
      '--hardware=NAME here, with the name that it prints.'
    )
  if lacking:
    known |= measured(options, suite, lacking, machine)
  return known


def measured(
  options: Options, suite: Suite, names: list[str], machine: Machine
) -> dict[str, Speed]:
  """Measure speeds on this machine, and store them in the machine's file.

  Args:
    options: The options.
    suite: The chosen suite.
    names: Workloads to measure.
    machine: This machine.
  """
  folder = options.hardware_dir
  measured_speeds.check_folder(folder)
  print(f'Measuring {suite.reference} on this machine ({machine.name}) ...')
  with progress.Progress(len(names)) as live:
    found = {}
    for name in names:
      spec = dataclasses.replace(suite.workloads[name], target=None)
      live.begin(f'{suite.reference} on {name}', spec)
      found[name] = calibrate.measure(
        suite, name, machine, options.trial, live.on_progress
      )
  path = measured_speeds.save(folder, machine, suite, found)
  print(f'Written to {path}.')
  return found
