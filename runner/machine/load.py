"""Processor time of a process, and of other processes on the machine.

A process may be slow because it computes, because it waits for data, or because
other processes use the processors. The kernel counts the time in which threads
run, and the time in which they are ready but do not run. This module imports
only the standard library.
"""

import contextlib
import os
import pathlib
import resource
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runner.machine import cgroup

PROC = pathlib.Path('/proc')
TICK = 1.0 / os.sysconf('SC_CLK_TCK')
IDLE = (3, 4)  # Columns of /proc/stat with idle time.
GUESTS = 8  # First column of /proc/stat that is part of earlier columns.


class Reading(NamedTuple):
  """Counters, in seconds since the process or the system began.

  Attributes:
    processor: Processor time of the process and of all its descendants.
    ready: Time by thread in which the thread was ready but did not run.
    busy: Busy time of the process's processors, for any process; None: unknown.
    pressed: Time in which any thread of the system was ready but did not run;
      None: unknown.
  """

  processor: float
  ready: Mapping[str, float]
  busy: float | None
  pressed: float | None


class Load(NamedTuple):
  """Load of the machine in charged seconds; see layout.held_up.

  Attributes:
    charged_seconds: Charged wall time.
    processor_seconds: Processor time of the process and its descendants.
    waiting_seconds: Sum over threads of the time they were ready but not run.
    others_seconds: Processor time of other processes on the same processors.
    pressure_seconds: Time in which any thread of the machine had to wait.
  """

  charged_seconds: float = 0.0
  processor_seconds: float = 0.0
  waiting_seconds: float = 0.0
  others_seconds: float = 0.0
  pressure_seconds: float = 0.0

  def plus(self, more: 'Load') -> 'Load':
    """Return the sum of two loads."""
    return Load(*(a + b for a, b in zip(self, more, strict=True)))


def read() -> Reading:
  """Read the counters; those that the system lacks are None or empty."""
  spent = processor()
  ready = dict(_ready(PROC / 'self'))
  for child in _children(PROC / 'self'):
    with contextlib.suppress(OSError):  # The child has just ended.
      spent += processor_seconds(_text(child / 'stat'))
      ready |= dict(_ready(child))
  limited = cgroup.used()
  return Reading(
    spent,
    ready,
    _busy() if limited is None else limited,
    pressed_seconds(_text(PROC / 'pressure' / 'cpu')),
  )


def processor() -> float:
  """Return the processor seconds of this process and its ended children."""
  own = resource.getrusage(resource.RUSAGE_SELF)
  gone = resource.getrusage(resource.RUSAGE_CHILDREN)
  return own.ru_utime + own.ru_stime + gone.ru_utime + gone.ru_stime


def between(start: Reading, end: Reading, seconds: float) -> Load:
  """Return the load between two readings.

  Args:
    start: The first reading.
    end: The second reading.
    seconds: Seconds between the readings.
  """
  processor = max(0.0, end.processor - start.processor)
  waited = sum(
    max(0.0, ready - start.ready.get(thread, 0.0))
    for thread, ready in end.ready.items()
  )
  others = pressed = 0.0
  if start.busy is not None and end.busy is not None:
    others = max(0.0, end.busy - start.busy - processor)
  if start.pressed is not None and end.pressed is not None:
    pressed = max(0.0, end.pressed - start.pressed)
  return Load(seconds, processor, waited, others, pressed)


def busy_seconds(stat: str, processors: set[int]) -> float | None:
  """Return busy seconds of processors, from /proc/stat; None: unknown."""
  ticks = []
  for line in stat.splitlines():
    name, *columns = line.split()
    number = name.removeprefix('cpu')
    if number != name and number.isdecimal() and int(number) in processors:
      known = enumerate(map(int, columns[:GUESTS]))
      ticks.append(sum(x for place, x in known if place not in IDLE))
  return sum(ticks) * TICK if ticks else None


def pressed_seconds(pressure: str) -> float | None:
  """Return the first total of /proc/pressure/cpu, in seconds, or None."""
  for word in pressure.split():
    name, _, value = word.partition('=')
    if name == 'total' and value.isdecimal():
      return int(value) / 1e6
  return None


def processor_seconds(stat: str) -> float:
  """Return processor seconds of a process and its ended children.

  Args:
    stat: Text of /proc/<pid>/stat.
  """
  # The second word is a name, which may have spaces and parentheses.
  columns = stat.rpartition(')')[2].split()
  return sum(map(int, columns[11:15])) * TICK


def _busy() -> float | None:
  return busy_seconds(_text(PROC / 'stat'), _processors())


def _processors() -> set[int]:
  try:
    return os.sched_getaffinity(0)
  except AttributeError:  # Only Linux has sched_getaffinity.
    return set()


def _ready(process: pathlib.Path) -> Iterator[tuple[str, float]]:
  for task in process.glob('task/*'):
    with contextlib.suppress(OSError, ValueError, IndexError):
      yield task.name, int(_text(task / 'schedstat').split()[1]) / 1e9


def _children(process: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yield the folders of all running descendants of a process."""
  for task in process.glob('task/*'):
    for child in _text(task / 'children').split():
      yield PROC / child
      yield from _children(PROC / child)


def _text(path: pathlib.Path) -> str:
  try:
    return path.read_text(encoding='utf-8')
  except (OSError, UnicodeDecodeError):
    return ''
