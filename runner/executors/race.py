"""Runs what is missing of a plan, telling of it."""

import collections
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from runner.executors import progress
from runner.launch import attempt
from runner.protocol import layout, results_folder
from runner.protocol.plan import Plan
from runner.protocol.suite import WorkloadSpec

Limits = dict[str, int]  # As trial.Budget has them: by steps, not seconds.


class RetryPolicy(NamedTuple):
  """What is done about trials that the machine fails."""

  attempts: int = 3  # In one run, at each trial.
  pause: float = 10.0  # Seconds before the second; four times that, the third.


CARE = RetryPolicy()


class RaceContext(NamedTuple):
  """Where trials are raced, and how."""

  out: pathlib.Path
  table: Callable[[dict], dict[str, Any]]  # The plan, as it is for a trial.
  terms: attempt.TrialOptions
  live: progress.Progress


class Queue:
  """Trials that wait, in turn, some of them for their time to come."""

  def __init__(self, trials: Iterable[dict]):
    self._waiting = collections.deque((0.0, trial) for trial in trials)

  def __len__(self) -> int:
    return len(self._waiting)

  def put(self, trial: dict, pause: float) -> None:
    """Behind the others, and for so many seconds."""
    self._waiting.append((time.monotonic() + pause, trial))

  def next(self) -> dict:
    """The first one, when its time has come."""
    due, trial = self._waiting.popleft()
    time.sleep(max(0.0, due - time.monotonic()))
    return trial

  def due(self) -> list[dict]:
    """All whose time has come."""
    now = time.monotonic()
    found = [trial for due, trial in self._waiting if due <= now]
    self._waiting = collections.deque(x for x in self._waiting if x[0] > now)
    return found


# Takes trials from a queue, to which more may come, and gives each as it is
# over.
Engine = Callable[[RaceContext, Queue], Iterator[tuple[dict, layout.Status]]]


def local(
  course: RaceContext, queue: Queue
) -> Iterator[tuple[dict, layout.Status]]:
  """The engine that is this machine: one trial after another."""
  while queue:
    trial = queue.next()
    table = course.table(trial)
    name = trial['workload']
    row = table['rules']['workloads'][name]
    budget = 0.0 if 'limits' in table else table['seconds'][name]
    course.live.begin(progress.title(trial), row, budget)
    tell = course.live.tell
    yield (
      trial,
      attempt.run_trial(course.out, table, trial, tell, course.terms),
    )


def run(
  out: pathlib.Path,
  made: Plan,
  terms: attempt.TrialOptions,
  limits: Callable[[WorkloadSpec], Limits] | None = None,
  care: RetryPolicy = CARE,
  through: Engine = local,
) -> dict[str, Any]:
  """Runs or resumes every pending trial; the table of the results folder.

  Trials that the machine failed are queued again, behind the others.

  Raises:
    ResultsError: the folder cannot take these results.
  """
  with results_folder.opened(out, made) as table:

    def full(trial: dict) -> dict[str, Any]:
      row = made.suite.workloads[trial['workload']]
      return table | {'limits': limits(row)} if limits else table

    queue = Queue(attempt.pending(out, table))
    tries: collections.Counter[str] = collections.Counter()
    with progress.Progress(len(queue)) as live:
      course = RaceContext(out, full, terms, live)
      for trial, status in through(course, queue):
        live.end(progress.title(trial), status)
        tries[trial['id']] += 1
        if status.again and tries[trial['id']] < care.attempts:
          queue.put(trial, care.pause * 4 ** (tries[trial['id']] - 1))
          live.queue_again(1)
  return table


def by_steps(row: WorkloadSpec) -> Limits:
  """The whole step budget, so that the machine's speed does not matter."""
  return {'steps': row.steps, 'eval_steps': max(1, row.steps // row.looks)}
