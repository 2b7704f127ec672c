"""Description of this machine, without JAX."""

import hashlib
import os
import pathlib
import platform
import re

from runner.protocol.plan import Machine


def describe(hosts: int = 1) -> Machine:
  """Describe this machine by CPU, cores and accelerators.

  Args:
    hosts: Number of hosts of a trial, assumed to be of the same kind.
  """
  cores, accelerators = _cores(), _accelerators()
  facts = {'cpu': _cpu(), 'cores': cores, 'accelerators': accelerators}
  kind = 'cpu'
  if accelerators:
    first = accelerators[0].lower().replace(' ', '-')
    kind = f'{len(accelerators)}x{first}'
  if hosts > 1:
    facts |= {'hosts': hosts}
    kind = f'{hosts}-hosts-{kind}'
  digest = hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()
  name = f'{kind}-{cores}-{digest[:6]}'
  return Machine(name=name, facts={'name': name} | facts)


def driver() -> str | None:
  """Return the version of NVIDIA's driver; None without a driver."""
  try:
    text = pathlib.Path('/proc/driver/nvidia/version').read_text(
      encoding='utf-8'
    )
  except OSError:
    return None
  return driver_version(text)


def driver_version(text: str) -> str | None:
  """Return the version in the text of the driver's file, or None."""
  found = re.search(r'\s(\d+(?:\.\d+)+)\s', text)
  return found and found[1]


def _cpu() -> str:
  try:
    text = pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8')
  except OSError:
    return platform.processor() or platform.machine()
  return cpu_name(text) or platform.machine()


def cpu_name(text: str) -> str:
  """Return the name of the first CPU in the text of /proc/cpuinfo, or ''.

  The name contains the numbers of the model: virtual machines may report only
  'AMD EPYC', whose generations differ by half in speed.
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
  except AttributeError:  # Only Linux has sched_getaffinity.
    return os.cpu_count() or 1


def _accelerators() -> list[str]:
  """Return the models of all GPUs, from the files of NVIDIA's driver."""
  found = []
  for path in sorted(
    pathlib.Path('/proc/driver/nvidia/gpus').glob('*/information')
  ):
    for line in path.read_text(encoding='utf-8').splitlines():
      if line.startswith('Model:'):
        found.append(line.partition(':')[2].strip())
  return found
