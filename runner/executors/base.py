"""Contracts between a race, executors of its trials, and schedulers."""

import collections
import dataclasses
import math
import pathlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

from runner.executors import progress
from runner.launch import planned_trial
from runner.launch.adviser import Adviser
from runner.launch.attempt import TrialOptions
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.trial_file import StepLimits

Limits = Callable[[Plan, PlannedTrial], StepLimits]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RaceContext:
  """Folder, plan and options of a race.

  Attributes:
    out: The results folder.
    plan: Its plan.
    options: Options of all trials.
    live: Display of progress.
    limits: Stops and evaluations by steps, instead of charged seconds.
    adviser: Says which trials need not go on, on this machine.
  """

  out: pathlib.Path
  plan: Plan
  options: TrialOptions
  live: progress.Progress
  limits: Limits | None = None
  adviser: Adviser | None = None

  @property
  def examined(self) -> bool:
    """True if models that reach the target are evaluated again."""
    return self.limits is None or self.options.untimed

  def limits_of(self, trial: PlannedTrial) -> StepLimits | None:
    """Return the limits of one trial."""
    return self.limits(self.plan, trial) if self.limits else None

  def prepare(self, trial: PlannedTrial) -> pathlib.Path:
    """Prepare and return the folder of a trial."""
    return planned_trial.prepared(
      self.out, self.plan, trial, self.options, self.limits_of(trial)
    )


class Queue:
  """Queue of trials, each of which may have to wait until a time.

  Args:
    trials: The trials.
    end: Time of `time.monotonic` from which on no trial starts: the queue is
      empty then.
  """

  def __init__(self, trials: Iterable[PlannedTrial], end: float = math.inf):
    self._waiting = collections.deque((0.0, trial) for trial in trials)
    self._end = end

  def __len__(self) -> int:
    return 0 if time.monotonic() >= self._end else len(self._waiting)

  @property
  def ends(self) -> bool:
    """True if there is a time from which on no trial starts."""
    return math.isfinite(self._end)

  def put(self, trial: PlannedTrial, pause: float) -> None:
    """Append a trial that may run after `pause` seconds."""
    self._waiting.append((time.monotonic() + pause, trial))

  def next(self) -> PlannedTrial:
    """Wait until the first trial may run; remove and return it."""
    due, trial = self._waiting.popleft()
    time.sleep(max(0.0, due - time.monotonic()))
    return trial

  def due(self) -> list[PlannedTrial]:
    """Remove and return all trials that may run now."""
    now = time.monotonic()
    found = [trial for due, trial in self._waiting if due <= now]
    self._waiting = collections.deque(x for x in self._waiting if x[0] > now)
    return found


class Executor(Protocol):
  """Executor of trials, on this machine or on other machines."""

  def run(
    self, context: RaceContext, queue: Queue
  ) -> Iterator[tuple[PlannedTrial, Status]]:
    """Yield each trial of the queue with its status after its attempt.

    The caller may add trials to the queue meanwhile.
    """
    ...


class Scheduler(Protocol):
  """Scheduler that runs commands on other machines, such as Slurm or Ray."""

  def submit(self, commands: Sequence[list[str]]) -> list[str]:
    """Send commands; return the names of their jobs."""
    ...

  def ended(self, jobs: Collection[str]) -> dict[str, str]:
    """Return, for each of these jobs that is over, how the job ended."""
    ...

  def leave(self) -> str:
    """Stop following the jobs; return a sentence about their future."""
    ...
