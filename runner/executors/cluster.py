"""Trials on many machines, through an engine that others have made.

The engine runs `python -m runner work` once for each trial, on a machine of the
declared kind that has nothing else to do. What comes of it comes through the
results folder, on a file system that all machines share.
"""

import functools
import pathlib
import sys
import time
from collections.abc import Iterator

from runner.executors.base import Fleet
from runner.executors.race import Engine, Queue, RaceContext, local
from runner.launch import attempt, outcomes
from runner.machine import hardware
from runner.protocol import layout, plan_file, results_folder, storage
from runner.protocol.plan import Plan

JOBS = '.jobs.json'  # In a results folder: as which job each trial was sent.
POLL = 3.0  # Seconds from one look at the jobs to the next.
ENGINES = ('local', 'slurm', 'ray')


class WorkError(RuntimeError):
  """A worker cannot run its trial; the message says why."""


def find(
  name: str, out: pathlib.Path, made: Plan, options: dict[str, str]
) -> Engine:
  """An engine by its name.

  Args:
    name: One of ENGINES.
    out: The results folder.
    made: Its machine is the kind that every trial gets one of, all to itself.
    options: The engine's own.

  Raises:
    ValueError: its package is not installed, or there is no such engine here.
  """
  if name == 'local':
    if options:
      raise ValueError(
        f'--engine_options={",".join(options)} say nothing to --engine=local.'
      )
    return local
  if name == 'slurm':
    from runner.executors import slurm  # noqa: PLC0415  Extras, as is Ray.

    fleet = slurm.fleet(out, made, options)
  else:
    from runner.executors import ray  # noqa: PLC0415

    fleet = ray.fleet(made, options)
  return functools.partial(run, fleet)


def run(
  fleet: Fleet, course: RaceContext, queue: Queue
) -> Iterator[tuple[dict, layout.Status]]:
  """Sends what is in the queue, and gives each trial when its job is over."""
  course = course._replace(terms=_anywhere(course.terms))
  path = course.out / JOBS
  known = storage.read_json(path) if path.exists() else {}
  jobs: dict[str, tuple[dict, layout.Status]] = {}
  try:
    while queue or jobs:
      if sent := _sent(fleet, course, queue, known):
        jobs |= sent
        known |= {trial['id']: job for job, (trial, _) in sent.items()}
        storage.write_json(path, known)
      for job, how in fleet.over(list(jobs)).items():
        trial, before = jobs[job]
        status = _closed(results_folder.place(course.out, trial), before, how)
        if status is not None:
          del jobs[job]
          yield trial, status
      course.live.count(len(jobs), len(queue))
      time.sleep(POLL if queue or jobs else 0.0)
  except BaseException:  # Above all the user's Ctrl-C.
    if jobs:
      print(f'\n{fleet.leave()}', file=sys.stderr)
    raise


def work(
  out: pathlib.Path, name: str, terms: attempt.TrialOptions
) -> layout.Status:
  """What a machine of the fleet does: runs one trial of a results folder.

  Raises:
    WorkError: it is not one for this machine, or there is no such trial.
  """
  table = results_folder.stored(out)
  found = [t for t in table['trials'] if t['id'] == name] if table else []
  if not found or not table:
    raise WorkError(
      f'No trial {name!r} is planned in {out}. Do all machines see the folder?'
    )
  kinds, here = plan_file.kinds(table), hardware.describe()['name']
  if here not in kinds:
    raise WorkError(
      f'This machine is {here}, and trials in {out} are for '
      f'{" or ".join(sorted(kinds))}: their seconds would not compare.'
    )
  return attempt.run_trial(out, table, found[0], lambda news: None, terms)


def _sent(
  fleet: Fleet, course: RaceContext, queue: Queue, known: dict[str, str]
) -> dict[str, tuple[dict, layout.Status]]:
  """Jobs of the trials that are due: what each runs, and where that stood.

  Jobs outlive whoever has sent them: those that still wait or run are not sent
  again. What a process runs that has outlived its job waits on in the queue.
  """
  due = queue.due()
  old = [known[trial['id']] for trial in due if trial['id'] in known]
  alive = set(old) - fleet.over(old).keys()
  jobs, fresh, before = {}, [], {}
  for trial in due:
    table, job = course.table(trial), known.get(trial['id'])
    folder = attempt.prepare(course.out, table, trial, course.terms)
    before[trial['id']] = results_folder.status(folder)
    if job in alive:
      jobs[job] = trial
    elif results_folder.in_use(folder):
      queue.put(trial, attempt.ORPHAN)
    else:
      fresh.append(trial)
  if fresh:
    names = fleet.submit([_command(course, trial) for trial in fresh])
    jobs |= zip(names, fresh, strict=True)
  return {job: (trial, before[trial['id']]) for job, trial in jobs.items()}


def _anywhere(terms: attempt.TrialOptions) -> attempt.TrialOptions:
  """As they are for those that are in other folders."""
  if terms.data_dir is None:
    return terms
  return terms._replace(data_dir=str(pathlib.Path(terms.data_dir).absolute()))


def _command(course: RaceContext, trial: dict) -> list[str]:
  terms = course.terms._asdict()
  return [
    'env',
    f'PYTHONPATH={attempt.environment()["PYTHONPATH"]}',
    sys.executable,
    '-m',
    'runner',
    'work',
    f'--out={course.out.absolute()}',
    f'--trial={trial["id"]}',
    # The flags of terms are called as they are.
    *(f'--{n}={x}' for n, x in terms.items() if x not in (None, ())),
  ]


def _closed(
  folder: pathlib.Path, before: layout.Status, how: str
) -> layout.Status | None:
  """How a trial ended whose job is over; None if it has not.

  Args:
    folder: Of the trial.
    before: Its status when the job was sent.
    how: The job left.
  """
  with results_folder.held(folder) as lock:
    if lock is None:  # The process has outlived its job.
      return None
    status = results_folder.status(folder)
    if status.outcome != results_folder.DAMAGED:
      outcomes.lost(folder, f'Its worker was lost: {how}')
      status = layout.status(folder)
  if status == before and not status.done:  # It has not come so far.
    return status._replace(outcome=None, reason=how, again=True)
  return status
