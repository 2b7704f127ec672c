"""What machine this is, told without JAX, and what its seconds are worth.

Budgets are suites' step budgets times the measured speed of the reference
algorithm. The measurements are kept in a folder, one file a machine.
"""

import hashlib
import os
import pathlib
import platform
import re
import tomllib
from typing import Any, NamedTuple

from runner.machine import gpu_monitor
from runner.protocol import layout, suite as rules, suite_files, user_files

FOLDER = suite_files.CONFIGS / 'hardware'


class HardwareError(ValueError):
  """A file of measured speeds cannot be used; the message names it."""


class Speed(NamedTuple):
  """Of the reference algorithm on one workload."""

  compile_seconds: float
  step_seconds: float

  def seconds(self, steps: int) -> float:
    return self.compile_seconds + steps * self.step_seconds


def describe(hosts: int = 1) -> dict[str, Any]:
  """This machine: 'cpu', 'cores', 'accelerators', and a 'name' from them.

  Of several hosts, which are taken to be alike, their number as well.
  """
  facts = {'cpu': _cpu(), 'cores': _cores(), 'accelerators': _accelerators()}
  if hosts > 1:
    facts['hosts'] = hosts
  kind = 'cpu'
  if facts['accelerators']:
    first = facts['accelerators'][0].lower().replace(' ', '-')
    kind = f'{len(facts["accelerators"])}x{first}'
  if hosts > 1:
    kind = f'{hosts}-hosts-{kind}'
  digest = hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()
  return {'name': f'{kind}-{facts["cores"]}-{digest[:6]}'} | facts


def driver() -> str | None:
  """Version of NVIDIA's driver; None where there is none."""
  try:
    text = pathlib.Path('/proc/driver/nvidia/version').read_text(
      encoding='utf-8'
    )
  except OSError:
    return None
  return driver_version(text)


def driver_version(text: str) -> str | None:
  """As the driver's file tells it, behind what kind of module it is."""
  found = re.search(r'\s(\d+(?:\.\d+)+)\s', text)
  return found and found[1]


def load(
  folder: pathlib.Path, name: str, suite: rules.Suite
) -> dict[str, Speed]:
  """Measured speeds by workload.

  Left out are those of which the suite has changed since; or on this machine,
  its driver or the clocks of its cards.
  """
  path = folder / f'{name}.toml'
  if not os.path.exists(path):
    return {}
  rows = _table(path).get(suite.name, {})
  now = state() if name == describe()['name'] else {}
  try:
    return {
      workload: _speed(row['compile_seconds'], row['step_seconds'])
      for workload, row in rows.items()
      if workload in suite.workloads
      and row['of'] == fingerprint(suite, workload)
      and all(row.get(what) == value for what, value in now.items())
    }
  except (LookupError, TypeError, AttributeError, ValueError) as error:
    raise HardwareError(
      f'{path}: [{suite.name}] has no measured speeds: {type(error).__name__} '
      f'{error}. Remove that table, and measure again: python -m runner '
      'calibrate'
    ) from error


def _speed(compiling: Any, step: Any) -> Speed:
  if not (layout.is_time(compiling) and layout.is_time(step)):
    raise ValueError(f'{compiling!r} s to compile, {step!r} s a step')
  return Speed(compiling, step)


def find(folder: pathlib.Path, name: str) -> dict[str, Any]:
  """The machine of that name, as describe gave it where it was measured.

  Raises:
    HardwareError: nothing of that name was measured, or it cannot be read.
  """
  path = folder / f'{name}.toml'
  if os.path.exists(path):
    machine = _table(path).get('machine')
    if isinstance(machine, dict) and isinstance(machine.get('name'), str):
      return machine
    raise HardwareError(f'{path} does not tell its machine: no [machine] name.')
  known = []
  if os.path.isdir(folder):
    known = sorted(found.stem for found in folder.glob('*.toml'))
  raise HardwareError(
    f'No machine {name!r} in {folder}. Known: {", ".join(known) or "none"}. '
    'On one such machine: python -m runner calibrate --suite=...'
  )


def check_folder(folder: pathlib.Path) -> None:
  """Makes the folder of measured speeds if it is not there.

  Raises:
    HardwareError: nothing can be written there, found before measuring.
  """
  try:
    folder.mkdir(parents=True, exist_ok=True)
    refused = '' if os.access(folder, os.W_OK) else 'Permission denied'
  except OSError as error:
    refused = error.strerror or str(error)
  if refused:
    raise HardwareError(
      f'Speeds cannot be written to {folder}: {refused}. Say another '
      '--hardware_dir.'
    )


def save(
  folder: pathlib.Path,
  machine: dict,
  suite: rules.Suite,
  speeds: dict[str, Speed],
) -> pathlib.Path:
  """Adds speeds to the machine's file; returns its path."""
  import tomlkit  # noqa: PLC0415  Only calibration writes TOML.

  check_folder(folder)
  path = folder / f'{machine["name"]}.toml'
  text = user_files.read(path) if path.exists() else ''
  document = tomlkit.parse(text)
  document['machine'] = machine
  table = dict(document.get(suite.name, {}))
  now = state()
  for workload, speed in speeds.items():
    measured = speed._asdict() | {'of': fingerprint(suite, workload)}
    table[workload] = measured | now
  document[suite.name] = table
  written = user_files.with_ends_of(text, tomlkit.dumps(document))
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
  """What may change on a machine and its seconds with it; {} on CPUs.

  'driver', and for every card 'sm_mhz' and 'memory_mhz', the clocks that it may
  reach.
  """
  found: dict[str, Any] = {}
  if (version := driver()) is not None:
    found['driver'] = version
  return found | gpu_monitor.limits()


def fingerprint(suite: rules.Suite, workload: str) -> str:
  """What a measured speed depends on, in short."""
  row = suite.workloads[workload]
  facts = (suite.reference, row.batch_size, row.steps_per_dispatch)
  return '-'.join(map(str, facts))


def _cpu() -> str:
  try:
    text = pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8')
  except OSError:
    return platform.processor() or platform.machine()
  return cpu_name(text) or platform.machine()


def cpu_name(text: str) -> str:
  """Of the first CPU that the system lists; '' where it has none.

  Virtual machines may say no more than 'AMD EPYC', of which generations differ
  by half in their speed: so the numbers of the model are a part of it.
  """
  first, _, _ = text.partition('\n\n')
  pairs = (line.partition(':') for line in first.splitlines())
  known = {what.strip(): value.strip() for what, _, value in pairs}
  numbers = [known.get(what) for what in ('cpu family', 'model', 'stepping')]
  name = known.get('model name', '')
  return f'{name} ({"-".join(map(str, numbers))})' if all(numbers) else name


def _cores() -> int:
  try:
    return len(os.sched_getaffinity(0))
  except AttributeError:  # Not on this system.
    return os.cpu_count() or 1


def _accelerators() -> list[str]:
  """NVIDIA's driver lists its cards as files."""
  found = []
  for path in sorted(
    pathlib.Path('/proc/driver/nvidia/gpus').glob('*/information')
  ):
    for line in path.read_text(encoding='utf-8').splitlines():
      if line.startswith('Model:'):
        found.append(line.partition(':')[2].strip())
  return found
