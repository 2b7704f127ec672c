"""Several trials at once on this machine, for trials that are not timed.

Each job is a process of its own (`work`), pinned to its share of the processor
cores. All jobs go through the same list; a trial belongs to the job that has
locked its folder.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

from runner.executors import cluster, race
from runner.executors.base import Queue, RaceContext
from runner.launch.attempt import TrialOptions
from runner.protocol import layout, results_folder
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial

POLL = 1.0  # Seconds between looks at the trials.
# Trials that wait, of those looked at. Jobs take trials in order, so later ones
# have not begun; to look at a thousand trials took a fifth of a core.
WAITING = 20
PATIENCE = 60.0  # Seconds in which a stopped job stores its trial.


class UnfinishedError(RuntimeError):
  """Trials of a search did not run, so it has no result yet."""


@dataclasses.dataclass(frozen=True)
class JobsExecutor:
  """Executor of `count` trials at once on this machine."""

  count: int

  def run(
    self, context: RaceContext, queue: Queue
  ) -> Iterator[tuple[PlannedTrial, Status]]:
    """Yield each trial of the queue with its status after its attempt.

    Args:
      context: The race.
      queue: Trials to run; the caller may add trials meanwhile.
    """
    while queue:
      count = self.count if queue.ends else len(queue)
      trials = [queue.next() for _ in range(min(count, len(queue)))]
      before = {}
      for trial in trials:
        before[trial.id] = results_folder.status(context.prepare(trial))
      words = cluster.command(context, trials)
      jobs = [subprocess.Popen(words) for _ in range(self.count)]
      for job, cores in zip(jobs, shares(self.count), strict=True):
        _pin(job.pid, cores)
      try:
        yield from _followed(context, jobs, trials, before)
      except BaseException:  # Mostly Ctrl-C.
        _stop(jobs)
        raise


def by_steps(
  out: pathlib.Path, plan: Plan, options: TrialOptions, jobs: int = 1
) -> Plan:
  """Run a plan's trials over their step budgets; return the whole plan.

  Args:
    out: The results folder.
    plan: The plan.
    options: Options of all trials.
    jobs: Number of trials at once.

  Raises:
    UnfinishedError: some trials did not run, for reasons of the machine, so the
      best of them may be missing.
  """
  executor = None
  if jobs > 1:
    options = dataclasses.replace(options, untimed=True)
    executor = JobsExecutor(jobs)
  whole = race.run(out, plan, options, limits=race.by_steps, executor=executor)
  waiting = [t for t in plan.trials if _waits(t.folder(out))]
  if waiting:
    raise UnfinishedError(
      f'{len(waiting)} of {len(plan.trials)} trials in {out} did not run, such '
      f'as {waiting[0].key}. Repeat this command.'
    )
  return whole


def _waits(folder: pathlib.Path) -> bool:
  """Return whether a trial is without an outcome, or may be tried again."""
  found = layout.status(folder)
  return found.outcome is None or found.retryable


def shares(count: int) -> list[set[int]]:
  """Return the processor cores of each of so many jobs; {}: all of them."""
  if sys.platform != 'linux':
    return [set()] * count
  cores = sorted(os.sched_getaffinity(0))
  return [set(cores[n % len(cores) :: count]) for n in range(count)]


def _pin(pid: int, cores: set[int]) -> None:
  if cores and sys.platform == 'linux':
    os.sched_setaffinity(pid, cores)


def _followed(
  context: RaceContext,
  jobs: list[subprocess.Popen],
  trials: list[PlannedTrial],
  before: dict[str, Status],
) -> Iterator[tuple[PlannedTrial, Status]]:
  """Yield each trial when it is over, and the rest when all jobs are."""
  left = {trial.id: trial for trial in trials}
  while left:
    alive = sum(job.poll() is None for job in jobs)
    running = waiting = 0
    for trial in list(left.values()):
      folder = trial.folder(context.out)
      status = results_folder.status(folder)
      busy = alive > 0 and results_folder.in_use(folder)
      running += busy
      tried = status.done or (
        status.outcome and status.attempts > before[trial.id].attempts
      )
      if not alive or (tried and not busy):
        del left[trial.id]
        yield trial, status
        continue
      waiting += not busy
      if alive and waiting == WAITING:
        break
    context.live.count(running, len(left) - running)
    time.sleep(POLL if left else 0.0)
  for job in jobs:
    job.wait()


def _stop(jobs: list[subprocess.Popen]) -> None:
  """Let the jobs store their trials and end."""
  for job in jobs:
    job.terminate()
  for job in jobs:
    try:
      job.wait(PATIENCE)
    except subprocess.TimeoutExpired:
      job.kill()
