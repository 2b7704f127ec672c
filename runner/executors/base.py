"""The contracts between a race, what executes trials, and schedulers."""

import collections
import dataclasses
import pathlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

from runner.executors import progress
from runner.launch import attempt
from runner.launch.attempt import TrialOptions
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.trial_file import StepLimits
from runner.protocol.workload_spec import WorkloadSpec

Limits = Callable[[WorkloadSpec], StepLimits]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RaceContext:
  """Where trials are run, and how.

  Attributes:
    out: The results folder.
    plan: Its plan.
    options: Options of all trials.
    live: Shows what happens.
    limits: Stops and evaluations by steps, instead of charged seconds.
  """

  out: pathlib.Path
  plan: Plan
  options: TrialOptions
  live: progress.Progress
  limits: Limits | None = None

  def limits_of(self, trial: PlannedTrial) -> StepLimits | None:
    """Return the limits of one trial."""
    spec = self.plan.suite.workloads[trial.workload]
    return self.limits(spec) if self.limits else None

  def prepare(self, trial: PlannedTrial) -> pathlib.Path:
    """Make the folder of a trial ready; return it."""
    return attempt.prepared(
      self.out, self.plan, trial, self.options, self.limits_of(trial)
    )


class Queue:
  """Trials that wait in turn, some of them until a time."""

  def __init__(self, trials: Iterable[PlannedTrial]):
    self._waiting = collections.deque((0.0, trial) for trial in trials)

  def __len__(self) -> int:
    return len(self._waiting)

  def put(self, trial: PlannedTrial, pause: float) -> None:
    """Append a trial that may run after so many seconds."""
    self._waiting.append((time.monotonic() + pause, trial))

  def next(self) -> PlannedTrial:
    """Wait until the first trial may run, and take it."""
    due, trial = self._waiting.popleft()
    time.sleep(max(0.0, due - time.monotonic()))
    return trial

  def due(self) -> list[PlannedTrial]:
    """Take all trials that may run now."""
    now = time.monotonic()
    found = [trial for due, trial in self._waiting if due <= now]
    self._waiting = collections.deque(x for x in self._waiting if x[0] > now)
    return found


class Executor(Protocol):
  """Runs trials, on this machine or on others."""

  def run(
    self, context: RaceContext, queue: Queue
  ) -> Iterator[tuple[PlannedTrial, Status]]:
    """Yield each trial of the queue with its status once its attempt is over.

    The queue may get more trials meanwhile.
    """
    ...


class Scheduler(Protocol):
  """Gives commands to other machines, as Slurm and Ray do."""

  def submit(self, commands: Sequence[list[str]]) -> list[str]:
    """Send commands; return the names of their jobs."""
    ...

  def ended(self, jobs: Collection[str]) -> dict[str, str]:
    """Return how each of these jobs ended that will not run any more."""
    ...

  def leave(self) -> str:
    """Stop following the jobs; return a sentence on what becomes of them."""
    ...
