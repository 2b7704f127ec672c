"""Trials on many machines, through a scheduler.

The scheduler runs `python -m runner work` once for each trial, on a machine of
the declared kind that has nothing else to do. Results come through the results
folder, on a file system that all machines share.
"""

import dataclasses
import pathlib
import sys
import time
from collections.abc import Iterator, Mapping

from runner.executors.base import Executor, Queue, RaceContext, Scheduler
from runner.executors.local import LocalExecutor
from runner.launch import attempt, leftovers, outcomes
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.protocol import layout, results_folder, storage
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial

JOBS = '.jobs.json'  # In a results folder: the job of each trial that was sent.
POLL = 3.0  # Seconds between queries of the jobs.
EXECUTORS = ('local', 'slurm', 'ray')


class WorkError(RuntimeError):
  """A worker cannot run its trial; the message says why."""


def find(
  name: str, out: pathlib.Path, plan: Plan, options: Mapping[str, str]
) -> Executor:
  """Return an executor by its name.

  Args:
    name: One of EXECUTORS.
    out: The results folder.
    plan: Every trial gets a whole machine of the plan's kind.
    options: The executor's own options.

  Raises:
    ValueError: its package is not installed, or there is none here.
  """
  if name == 'local':
    if options:
      raise ValueError(
        f'--engine_options={",".join(options)} say nothing to --engine=local.'
      )
    return LocalExecutor()
  if name == 'slurm':
    from runner.executors import slurm  # noqa: PLC0415  Extras, as is Ray.

    return ClusterExecutor(slurm.Slurm(out, plan, options))
  from runner.executors import ray  # noqa: PLC0415

  return ClusterExecutor(ray.Ray(plan, options))


@dataclasses.dataclass(frozen=True)
class ClusterExecutor:
  """Sends trials to a scheduler, and collects them as their jobs end."""

  scheduler: Scheduler

  def run(
    self, context: RaceContext, queue: Queue
  ) -> Iterator[tuple[PlannedTrial, Status]]:
    """Send what is in the queue; yield each trial when its job is over.

    Args:
      context: The race.
      queue: Trials to run; more may be put there meanwhile.
    """
    context = dataclasses.replace(context, options=_absolute(context.options))
    path = context.out / JOBS
    known = storage.read_json(path) if path.exists() else {}
    jobs: dict[str, tuple[PlannedTrial, Status]] = {}
    try:
      while queue or jobs:
        if sent := self._send(context, queue, known):
          jobs |= sent
          known |= {trial.id: job for job, (trial, _) in sent.items()}
          storage.write_json(path, known)
        for job, how in self.scheduler.ended(list(jobs)).items():
          trial, before = jobs[job]
          status = _closed(trial.folder(context.out), before, how)
          if status is not None:
            del jobs[job]
            yield trial, status
        context.live.count(len(jobs), len(queue))
        time.sleep(POLL if queue or jobs else 0.0)
    except BaseException:  # Above all the user's Ctrl-C.
      if jobs:
        print(f'\n{self.scheduler.leave()}', file=sys.stderr)
      raise

  def _send(
    self, context: RaceContext, queue: Queue, known: Mapping[str, str]
  ) -> dict[str, tuple[PlannedTrial, Status]]:
    """Return the jobs of the trials that are due, with their status before.

    Jobs outlive the runner that sent them: those that still wait or run are
    not sent again. A trial whose process has outlived its job waits in the
    queue.
    """
    due = queue.due()
    old = [known[trial.id] for trial in due if trial.id in known]
    alive = set(old) - self.scheduler.ended(old).keys()
    jobs, fresh, before = {}, [], {}
    for trial in due:
      job = known.get(trial.id)
      folder = context.prepare(trial)
      before[trial.id] = results_folder.status(folder)
      if job in alive:
        jobs[job] = trial
      elif results_folder.in_use(folder):
        queue.put(trial, attempt.ORPHAN)
      else:
        fresh.append(trial)
    if fresh:
      names = self.scheduler.submit([_command(context, t) for t in fresh])
      jobs |= zip(names, fresh, strict=True)
    return {job: (trial, before[trial.id]) for job, trial in jobs.items()}


def work(out: pathlib.Path, trial_id: str, options: TrialOptions) -> Status:
  """Run one trial of a results folder, on a machine of a scheduler's.

  Args:
    out: The results folder.
    trial_id: Id of the trial in the plan.
    options: Options of all trials.

  Raises:
    WorkError: it is not one for this machine, or there is no such trial.
  """
  plan = results_folder.stored(out)
  found = [t for t in plan.trials if t.id == trial_id] if plan else []
  if not found or not plan:
    raise WorkError(
      f'No trial {trial_id!r} is planned in {out}. Do all machines see the '
      'folder?'
    )
  here = hardware.describe().name
  if here not in plan.kinds:
    raise WorkError(
      f'This machine is {here}, and trials in {out} are for '
      f'{" or ".join(sorted(plan.kinds))}: their seconds would not compare.'
    )
  return attempt.run_trial(out, plan, found[0], lambda event: None, options)


def _absolute(options: TrialOptions) -> TrialOptions:
  """Return the options as processes in other folders need them."""
  if options.data_dir is None:
    return options
  path = str(pathlib.Path(options.data_dir).absolute())
  return dataclasses.replace(options, data_dir=path)


def _command(context: RaceContext, trial: PlannedTrial) -> list[str]:
  return [
    'env',
    f'PYTHONPATH={attempt.environment()["PYTHONPATH"]}',
    sys.executable,
    '-m',
    'runner',
    'work',
    f'--out={context.out.absolute()}',
    f'--trial={trial.id}',
    # The fields of the options have the names of their flags.
    *(f'--{n}={x}' for n, x in vars(context.options).items() if _said(x)),
  ]


def _said(value: object) -> bool:
  return value not in (None, ())


def _closed(folder: pathlib.Path, before: Status, how: str) -> Status | None:
  """Return how a trial ended whose job is over; None if it has not ended.

  Args:
    folder: Folder of the trial.
    before: Its status when the job was sent.
    how: How the job left.
  """
  with results_folder.held(folder) as lock:
    if lock is None:  # The process has outlived its job.
      return None
    status = results_folder.status(folder)
    if status.outcome != results_folder.DAMAGED:
      leftovers.cut_links(folder)
      outcomes.lost(folder, f'Its worker was lost: {how}')
      status = layout.status(folder)
  if status == before and not status.done:  # The trial never began.
    return dataclasses.replace(status, outcome=None, reason=how, retryable=True)
  return status
