"""Measured speeds of the reference algorithm, in a file for each machine.

Budgets in seconds are a suite's step budgets times these speeds.
"""

import os
import pathlib
import tomllib
from collections.abc import Mapping
from typing import Any

from runner.machine import gpu_monitor
from runner.machine.hardware import describe, driver
from runner.protocol import user_files
from runner.protocol.plan import Machine, Speed
from runner.protocol.records import speeds as records
from runner.protocol.records.speeds import Measured
from runner.protocol.suites import suite_files
from runner.protocol.suites.suite import Suite

FOLDER = suite_files.CONFIGS / 'hardware'


class HardwareError(ValueError):
  """A file of measured speeds cannot be used; the message names the file."""


def load(folder: pathlib.Path, name: str, suite: Suite) -> dict[str, Speed]:
  """Return measured speeds by workload.

  Speeds are left out if the workload has changed since the measurement. Speeds
  of this machine are left out if its driver or its GPUs' clocks have changed.

  Args:
    folder: Folder of the files.
    name: Name of the machine.
    suite: The suite.
  """
  path = folder / f'{name}.toml'
  if not os.path.exists(path):
    return {}
  table, known = _table(path), suite.workloads
  now = state() if name == describe().name else {}
  try:
    return {
      workload: one.speed
      for workload, one in records.rows(table, suite.name, known).items()
      if one.of == fingerprint(suite, workload)
      and all(one.state.get(what) == value for what, value in now.items())
    }
  except (LookupError, TypeError, AttributeError, ValueError) as error:
    raise HardwareError(
      f'{path}: [{suite.name}] has no measured speeds: {type(error).__name__} '
      f'{error}. Remove this table and measure again: timetrial '
      'calibrate'
    ) from error


def find(folder: pathlib.Path, name: str) -> Machine:
  """Return the machine of a name, with its facts from the measurement.

  Raises:
    HardwareError: no machine of that name was measured, or its file is damaged.
  """
  path = folder / f'{name}.toml'
  if os.path.exists(path):
    if machine := records.machine(_table(path)):
      return machine
    raise HardwareError(
      f'{path} has no name in [machine]. Remove the file and measure again: '
      'timetrial calibrate'
    )
  known = []
  if os.path.isdir(folder):
    known = sorted(found.stem for found in folder.glob('*.toml'))
  raise HardwareError(
    f'No machine {name!r} in {folder}. Known: {", ".join(known) or "none"}. '
    'To add it, on one such machine: timetrial calibrate --suite=...'
  )


def check_folder(folder: pathlib.Path) -> None:
  """Make the folder of measured speeds; check before measuring.

  Raises:
    HardwareError: the folder is not writable.
  """
  try:
    folder.mkdir(parents=True, exist_ok=True)
    refused = '' if os.access(folder, os.W_OK) else 'Permission denied'
  except OSError as error:
    refused = error.strerror or str(error)
  if refused:
    raise HardwareError(
      f'Speeds cannot be written to {folder}: {refused}. Use another '
      '--hardware_dir.'
    )


def save(
  folder: pathlib.Path,
  machine: Machine,
  suite: Suite,
  speeds: Mapping[str, Speed],
) -> pathlib.Path:
  """Add speeds to the machine's file; return its path.

  Args:
    folder: Folder of the files.
    machine: The machine that was measured.
    suite: The suite.
    speeds: Speeds of the reference algorithm by workload.
  """
  check_folder(folder)
  path = folder / f'{machine.name}.toml'
  text = user_files.read(path) if path.exists() else ''
  now = state()
  measured = {
    workload: Measured(speed, fingerprint(suite, workload), now)
    for workload, speed in speeds.items()
  }
  whole = records.added(text, machine, suite.name, measured)
  written = user_files.with_ends_of(text, whole)
  user_files.replace(path, written.encode())
  return path


def _table(path: pathlib.Path) -> dict[str, Any]:
  try:
    return tomllib.loads(user_files.read(path))
  except OSError as error:
    raise HardwareError(f'{path} cannot be read: {error.strerror}.') from error
  except (ValueError, RecursionError) as error:
    raise HardwareError(f'{path} is not valid TOML: {error}.') from error


def state() -> dict[str, Any]:
  """Return facts that change a machine's speed but not its name; {} on CPUs.

  The facts are 'driver' and, with a value for every GPU, the maximum clocks
  'sm_mhz' and 'memory_mhz'.
  """
  version = driver()
  found = {} if version is None else {'driver': version}
  return found | gpu_monitor.limits()


def fingerprint(suite: Suite, workload: str) -> str:
  """Return a short text of the suite's values that change a measured speed."""
  row = suite.workloads[workload]
  facts = (suite.reference, row.batch_size, row.steps_per_dispatch)
  return '-'.join(map(str, facts))
