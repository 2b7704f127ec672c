"""Trials on many machines, through a scheduler.

The scheduler runs `python -m runner work` once for each trial, on an idle
machine of the plan's kind. All machines share a file system with the results
folder.
"""

import dataclasses
import pathlib
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from runner.executors.base import Executor, Queue, RaceContext, Scheduler
from runner.executors.local import LocalExecutor
from runner.launch import (
  adviser,
  compiled,
  environment,
  leftovers,
  outcomes,
  planned_trial,
)
from runner.launch.attempt import TrialOptions
from runner.launch.examiner import Examiner
from runner.machine import hardware
from runner.protocol import layout, results_folder
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records import notes

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
    plan: The plan; every trial gets a whole machine of its kind.
    options: The executor's own options.

  Raises:
    ValueError: the executor's package or cluster is not available here.
  """
  if name == 'local':
    if options:
      raise ValueError(
        f'--engine_options={",".join(options)} have no meaning with '
        '--engine=local. Leave them out.'
      )
    return LocalExecutor()
  if name == 'slurm':
    # Slurm and Ray are optional dependencies.
    from runner.executors import slurm  # noqa: PLC0415

    return ClusterExecutor(slurm.Slurm(out, plan, options))
  from runner.executors import ray  # noqa: PLC0415

  return ClusterExecutor(ray.Ray(plan, options))


@dataclasses.dataclass(frozen=True)
class ClusterExecutor:
  """Executor that sends trials to a scheduler, a job for each trial."""

  scheduler: Scheduler

  def run(
    self, context: RaceContext, queue: Queue
  ) -> Iterator[tuple[PlannedTrial, Status]]:
    """Send the queue's trials; yield each trial when its job is over.

    Args:
      context: The race.
      queue: Trials to run; the caller may add trials meanwhile.
    """
    context = dataclasses.replace(context, options=_absolute(context.options))
    known = notes.jobs(context.out)
    jobs: dict[str, tuple[PlannedTrial, Status]] = {}
    try:
      while queue or jobs:
        if sent := self._send(context, queue, known):
          jobs |= sent
          known |= {trial.id: job for job, (trial, _) in sent.items()}
          notes.write_jobs(context.out, known)
        for job, how in self.scheduler.ended(list(jobs)).items():
          trial, before = jobs[job]
          status = _closed(trial.folder(context.out), before, how)
          if status is not None:
            del jobs[job]
            yield trial, status
        context.live.count(len(jobs), len(queue))
        time.sleep(POLL if queue or jobs else 0.0)
    except BaseException:  # Mostly Ctrl-C.
      if jobs:
        print(f'\n{self.scheduler.leave()}', file=sys.stderr)
      raise

  def _send(
    self, context: RaceContext, queue: Queue, known: Mapping[str, str]
  ) -> dict[str, tuple[PlannedTrial, Status]]:
    """Return the jobs of the trials that are due, with their status before.

    Jobs outlive the runner that sent them, so jobs that still wait or run are
    not sent again. A trial goes back to the queue while its process outlives
    its job.
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
        queue.put(trial, planned_trial.ORPHAN)
      else:
        fresh.append(trial)
    if fresh:
      names = self.scheduler.submit([command(context, [t]) for t in fresh])
      jobs |= zip(names, fresh, strict=True)
    return {job: (trial, before[trial.id]) for job, trial in jobs.items()}


def work(
  out: pathlib.Path, ids: Collection[str], options: TrialOptions
) -> list[Status]:
  """Run trials of a results folder, on a machine of a scheduler.

  Trials that another process runs are left to it.

  Args:
    out: The results folder.
    ids: Ids of the trials in the plan.
    options: Options of all trials.

  Returns:
    The status of each of these trials that was not left to another process.

  Raises:
    WorkError: trials are for another kind of machine, or not planned.
  """
  plan = results_folder.stored(out)
  found = [t for t in plan.trials if t.id in ids] if plan else []
  if not found or not plan:
    raise WorkError(
      f'No trial {", ".join(ids)!r} is planned in {out}. All machines must '
      'share this folder: use an --out on a shared file system.'
    )
  here = hardware.describe().name
  if here not in plan.kinds and not options.untimed:
    raise WorkError(
      f'This machine is {here}, and trials in {out} are for '
      f'{" or ".join(sorted(plan.kinds))}: their seconds could not be '
      'compared. Select nodes of the planned kind with --engine_options.'
    )
  env, common = environment.variables(), compiled.folder(out, compiled.COMMON)
  with (
    Examiner(env, options.hang_timeout, common) as examiner,
    adviser.opened(out, options.stop) as advising,
  ):
    return [
      planned_trial.run_trial(
        out,
        plan,
        trial,
        lambda event: None,
        options,
        examiner=examiner,
        adviser=advising,
      )
      for trial in found
      if len(found) == 1 or not results_folder.in_use(trial.folder(out))
    ]


def _absolute(options: TrialOptions) -> TrialOptions:
  """Return the options with absolute paths, for processes in other folders."""
  if options.data_dir is None:
    return options
  path = str(pathlib.Path(options.data_dir).absolute())
  return dataclasses.replace(options, data_dir=path)


def command(context: RaceContext, trials: Sequence[PlannedTrial]) -> list[str]:
  """Return the command of a process that runs prepared trials, one by one."""
  return [
    'env',
    f'PYTHONPATH={environment.python_path()}',
    sys.executable,
    '-P',  # Modules in the working folder do not come before ours.
    '-m',
    'runner',
    'work',
    f'--out={context.out.absolute()}',
    f'--trial={",".join(trial.id for trial in trials)}',
    # The fields of the options have the names of their flags.
    *(f'--{n}={x}' for n, x in vars(context.options).items() if _said(x)),
  ]


def _said(value: object) -> bool:
  return value not in (None, ())


def _closed(folder: pathlib.Path, before: Status, how: str) -> Status | None:
  """Return the status of a trial whose job is over; None if it still runs.

  Args:
    folder: Folder of the trial.
    before: Status of the trial when the job was sent.
    how: Description of the job's end.
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
