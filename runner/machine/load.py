"""Processor time of a process, and of everything else on the machine.

A process may take long because it has much to do, because it waits for data,
or because others have the processors that it wants. The kernel tells them
apart: it counts how long threads run, and how long they are ready to run and
are not let. The standard library only.
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
IDLE = (3, 4)  # Columns of /proc/stat in which a processor does nothing.
GUESTS = 8  # From this column on, they are counted before.


class Reading(NamedTuple):
  """Counters, in seconds since the process or the system began."""

  processor: float  # Of the process and all that it has started.
  ready: Mapping[str, float]  # By thread: ready to run, and not running.
  busy: float | None  # Of the processors that it may use, by anybody.
  pressed: float | None  # In which any thread of the system was ready so.


class Load(NamedTuple):
  """While the submission had to pay; see records.held_up."""

  charged_seconds: float = 0.0
  processor_seconds: float = 0.0  # Of the process and its children.
  waiting_seconds: float = 0.0  # Its threads, together, were kept waiting.
  others_seconds: float = 0.0  # Of others, on the processors it may use.
  pressure_seconds: float = 0.0  # Any thread of the machine was kept waiting.

  def plus(self, more: 'Load') -> 'Load':
    return Load(*(a + b for a, b in zip(self, more, strict=True)))


def read() -> Reading:
  """Read the counters now. What the system does not tell is None or empty."""
  spent = processor()
  ready = dict(_ready(PROC / 'self'))
  for child in _children(PROC / 'self'):
    with contextlib.suppress(OSError):  # It has just ended.
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
  """Load between two readings that are so many seconds apart."""
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
  """Busy seconds of some processors, from /proc/stat; None: not told."""
  ticks = []
  for line in stat.splitlines():
    name, *columns = line.split()
    number = name.removeprefix('cpu')
    if number != name and number.isdecimal() and int(number) in processors:
      known = enumerate(map(int, columns[:GUESTS]))
      ticks.append(sum(x for place, x in known if place not in IDLE))
  return sum(ticks) * TICK if ticks else None


def pressed_seconds(pressure: str) -> float | None:
  """The first total of /proc/pressure/cpu; None: it does not tell."""
  for word in pressure.split():
    name, _, value = word.partition('=')
    if name == 'total' and value.isdecimal():
      return int(value) / 1e6
  return None


def processor_seconds(stat: str) -> float:
  """Processor seconds of a process and its ended children, from its stat."""
  # Its second word is a name, which may have spaces and parentheses.
  columns = stat.rpartition(')')[2].split()
  return sum(map(int, columns[11:15])) * TICK


def _busy() -> float | None:
  return busy_seconds(_text(PROC / 'stat'), _processors())


def _processors() -> set[int]:
  try:
    return os.sched_getaffinity(0)
  except AttributeError:  # Not on this system.
    return set()


def _ready(process: pathlib.Path) -> Iterator[tuple[str, float]]:
  for task in process.glob('task/*'):
    with contextlib.suppress(OSError, ValueError, IndexError):
      yield task.name, int(_text(task / 'schedstat').split()[1]) / 1e9


def _children(process: pathlib.Path) -> Iterator[pathlib.Path]:
  """Living descendants of a process."""
  for task in process.glob('task/*'):
    for child in _text(task / 'children').split():
      yield PROC / child
      yield from _children(PROC / child)


def _text(path: pathlib.Path) -> str:
  try:
    return path.read_text(encoding='utf-8')
  except (OSError, UnicodeDecodeError):
    return ''
