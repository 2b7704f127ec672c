"""Clocks, temperature and power of NVIDIA GPUs while a trial runs.

The parent of a trial calls nvidia-smi every few seconds, outside of the timed
process. GPUs that are too hot or get too little power slow down, so that their
seconds cannot be compared. Failures of this module do not fail a trial.
"""

import collections
import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

PROGRAM = 'nvidia-smi'
PERIOD = 5.0  # Seconds between two queries.
PATIENCE = 10.0  # Timeout of a query, in seconds.
# Fields of nvidia-smi by our names. Drivers since 535 have new names for events
# (clocks_event_reasons), but accept the old names.
NUMBERS = {
  'sm_mhz': 'clocks.sm',
  'memory_mhz': 'clocks.mem',
  'celsius': 'temperature.gpu',
  'watts': 'power.draw',
}
LIMITS = {'sm_mhz': 'clocks.max.sm', 'memory_mhz': 'clocks.max.memory'}
CLOCKS = ('sm_mhz', 'memory_mhz')
QUERY = ('driver_version', 'clocks_throttle_reasons.active', *NUMBERS.values())
IDLE = 1
REASONS = {  # Bits of NVML's "clocks event reasons".
  IDLE: 'gpu_idle',
  0x2: 'applications_clocks_setting',
  0x4: 'sw_power_cap',
  0x8: 'hw_slowdown',
  0x10: 'sync_boost',
  0x20: 'sw_thermal_slowdown',
  0x40: 'hw_thermal_slowdown',
  0x80: 'hw_power_brake_slowdown',
  0x100: 'display_clock_setting',
}


class Gauges:
  """Ranges and counts over all queries so far, of all GPUs together."""

  def __init__(self):
    self._looks = 0
    self._driver = ''
    self._ranges: dict[str, tuple[float, float]] = {}
    self._reasons: collections.Counter[str] = collections.Counter()

  def take(self, printed: str) -> None:
    """Add one query's output: a line of nvidia-smi for each GPU."""
    found = set()
    lines = [line for line in printed.splitlines() if _is_complete(line)]
    for line in lines:
      self._driver, reasons, *numbers = map(str.strip, line.split(','))
      bits = _bits(reasons)
      found |= {name for bit, name in REASONS.items() if bit & bits}
      for name, text in zip(NUMBERS, numbers, strict=True):
        if not (name in CLOCKS and bits & IDLE):  # Idle GPUs lower clocks.
          self._widen(name, text)
    self._looks += bool(lines)
    self._reasons.update(found)

  def summary(self) -> dict[str, Any]:
    """Return lowest and highest values, and counts of reasons for low clocks.

    The result is {} if no query has succeeded.
    """
    if not self._looks:
      return {}
    return {
      'driver': self._driver,
      'looks': self._looks,
      **self._ranges,
      'reasons': dict(self._reasons),
    }

  def _widen(self, name: str, text: str) -> None:
    try:
      value = float(text)
    except ValueError:  # '[N/A]': some GPUs do not report all values.
      return
    low, high = self._ranges.get(name, (value, value))
    self._ranges[name] = min(low, value), max(high, value)


def limits() -> dict[str, list[int]]:
  """Return the maximum clocks of every GPU, in MHz; {} if they are unknown."""
  program = shutil.which(PROGRAM)
  if program is None:
    return {}
  query = f'--query-gpu={",".join(LIMITS.values())}'
  with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
    printed = _printed([program, *_query(query)])
    rows = [list(map(int, line.split(','))) for line in printed.splitlines()]
    if rows and all(len(row) == len(LIMITS) for row in rows):
      columns = map(list, zip(*rows, strict=True))
      return dict(zip(LIMITS, columns, strict=True))
  return {}


@contextlib.contextmanager
def watched() -> Iterator[Gauges]:
  """Query the GPUs every PERIOD seconds while the block runs."""
  gauges, over = Gauges(), threading.Event()
  program = shutil.which(PROGRAM)
  if program is None:
    yield gauges
    return
  command = [program, *_query(f'--query-gpu={",".join(QUERY)}')]

  def look() -> None:
    while True:
      with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        gauges.take(_printed(command))
      if over.wait(PERIOD):
        return

  thread = threading.Thread(target=look, daemon=True)
  thread.start()
  try:
    yield gauges
  finally:
    over.set()
    thread.join(PATIENCE)  # Does not wait for a driver that hangs.


def _query(query: str) -> list[str]:
  words = [query, '--format=csv,noheader,nounits']
  cards = os.environ.get('CUDA_VISIBLE_DEVICES')
  return [*words, f'--id={cards}'] if cards else words


def _printed(command: list[str]) -> str:
  return subprocess.run(
    command,
    capture_output=True,
    encoding='utf-8',
    errors='replace',
    timeout=PATIENCE,
    check=True,
  ).stdout


def _is_complete(line: str) -> bool:
  return line.count(',') == len(QUERY) - 1


def _bits(text: str) -> int:
  """Parse the bits of reasons; 0 if the GPU does not report them."""
  try:
    return int(text, 16)
  except ValueError:
    return 0
