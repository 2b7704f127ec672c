"""Time profiles: charged seconds of a program as a function of the step.

Steps to the target do not depend on how busy a machine is, and seconds do. So
one trial of each program is timed, and the seconds of its untimed trials are
read off that trial.

    <out>/.profiles/<machine>/      a results folder of timed trials, one of
                                    each program, without targets
"""

import bisect
import itertools
import math
import pathlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from runner.protocol import columns, layout, storage
from runner.protocol.records import events
from runner.protocol.records.events import End

FOLDER = '.profiles'


class TimeProfile(NamedTuple):
  """Charged seconds after each of some steps; both never fall.

  Attributes:
    steps: Steps, from 0 on.
    seconds: Charged seconds after each.
    spent: Whether the profile ends because the budget was spent.
  """

  steps: tuple[int, ...]
  seconds: tuple[float, ...]
  spent: bool = False

  def at(self, step: int) -> float | None:
    """Return the seconds after a step, between known steps by interpolation.

    Returns:
      Seconds; None after the last known step.
    """
    if step > self.steps[-1]:
      return None
    n = bisect.bisect_left(self.steps, step)
    if self.steps[n] == step:
      return self.seconds[n]
    first, last = self.steps[n - 1 : n + 1]
    low, high = self.seconds[n - 1 : n + 1]
    return low + (high - low) * (step - first) / (last - first)

  def within(self, seconds: float) -> int | None:
    """Return the last step within some seconds; None if it is not known."""
    if seconds > self.seconds[-1]:
      return self.steps[-1] if self.spent else None
    n = bisect.bisect_right(self.seconds, seconds)
    if n == len(self.seconds):
      return self.steps[-1]
    first, last = self.steps[n - 1 : n + 1]
    low, high = self.seconds[n - 1 : n + 1]
    return first + int((last - first) * (seconds - low) / (high - low))


def made(points: Iterable[tuple[int, float]], spent: bool) -> TimeProfile:
  """Return the profile of (step, seconds) points in any order.

  Of several points of one step, the largest seconds count: the clock has waited
  for the devices before an evaluation, and not before other records.
  """
  known: dict[int, float] = {0: 0.0}
  for step, seconds in points:
    known[step] = max(seconds, known.get(step, 0.0))
  steps = sorted(known)
  rising = itertools.accumulate((known[step] for step in steps), max)
  return TimeProfile(tuple(steps), tuple(rising), spent)


def read(folder: pathlib.Path) -> TimeProfile | None:
  """Return the profile of a timed trial; None if it has no evaluation.

  Raises:
    OSError, ValueError, LookupError: the files of the trial are damaged.
  """
  outcome = layout.status(folder).outcome
  points = list(_points(folder / layout.EVALS))
  if outcome not in layout.SCORED or not points:
    return None
  last = max(step for step, _ in points)
  inner = [p for p in _points(folder / layout.SCALARS) if p[0] < last]
  return made(points + inner, outcome == 'budget')


def held_up(folder: pathlib.Path) -> float:
  """Return the share of a trial's processor time that others used.

  Raises:
    OSError, ValueError, LookupError, TypeError, AttributeError: its attempts
      are damaged.
  """
  ends = events.of(End, layout.attempts(folder))
  return layout.held_up(ends[-1].load) if ends else 0.0


def _points(path: pathlib.Path) -> Iterator[tuple[int, float]]:
  for row in storage.read_rows(path):
    step, seconds = int(row[columns.STEP]), float(row[columns.SECONDS])
    if not (step >= 0 and 0 <= seconds < math.inf):
      raise ValueError(
        f'{path.name} has step {step} at {seconds} s. Both must be finite and '
        'not negative'
      )
    yield step, seconds


def folder(out: pathlib.Path, machine: str) -> pathlib.Path:
  """Return the results folder of the profiles of a kind of machine.

  Args:
    out: The results folder of a board.
    machine: Name of the kind of machine.
  """
  return out / FOLDER / machine


def folders(out: pathlib.Path) -> list[pathlib.Path]:
  """Return the folders of profiles in a results folder, one a machine."""
  return sorted(path.parent for path in (out / FOLDER).glob(f'*/{layout.PLAN}'))
