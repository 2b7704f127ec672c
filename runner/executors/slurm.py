"""Trials as jobs of Slurm, which submitit submits as arrays.

Every job has a node to itself; Slurm queues a job again if its node fails. Jobs
continue when the runner ends.
"""

import functools
import hashlib
import math
import os
import pathlib
import subprocess
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from runner.protocol.plan import Plan

LOGS = '.slurm'  # Folder in the results folder for submitit and jobs' logs.
ARRAY = 1000  # Jobs in an array; Slurm's default limit is 1001.
# States of jobs that are over.
FINAL = {
  'BOOT_FAIL',
  'CANCELLED',
  'COMPLETED',
  'DEADLINE',
  'FAILED',
  'NODE_FAIL',
  'OUT_OF_MEMORY',
  'PREEMPTED',
  'TIMEOUT',
}
GONE = 'GONE'  # State of jobs that Slurm does not list, after some minutes.
SETUP = [  # Variables for records, see runner.protocol.layout.
  'export TIMETRIAL_HOST=$SLURMD_NODENAME',
  'export TIMETRIAL_JOB=slurm:${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}'
  '${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}',
]
LAST_WORDS = 300  # Characters of a job's output that are kept.


class Slurm:
  """Slurm as a scheduler: a job for each command, in arrays."""

  def __init__(self, out: pathlib.Path, plan: Plan, options: Mapping[str, str]):
    """Connect to Slurm.

    Args:
      out: The results folder.
      plan: The plan to run; its machine is the kind of the nodes.
      options: sbatch's options by their long names, and array_parallelism, the
        number of jobs of an array that run at once.

    Raises:
      ValueError: submitit or Slurm is missing, or an option is wrong.
    """
    self._name = f'timetrial-{_digest(out)}'
    self._logs = out.absolute() / LOGS
    self._executor = _executor(self._logs)
    parallel = options.get('array_parallelism', str(ARRAY))
    if not parallel.isdecimal() or not int(parallel):
      raise ValueError(
        f'array_parallelism={parallel} must be a number of jobs, at least 1.'
      )
    self._executor.update_parameters(
      job_name=self._name,
      stderr_to_stdout=True,
      use_srun=False,  # A job step would have to request all cores again.
      setup=SETUP,
      array_parallelism=int(parallel),
      additional_parameters=parameters(plan, options),
    )

  def submit(self, commands: Sequence[list[str]]) -> list[str]:
    """Send commands as jobs; return the jobs' ids."""
    # The command takes the place of submitit's process: signals reach it.
    jobs = [functools.partial(os.execvp, words[0], words) for words in commands]
    sent: list[str] = []
    for start in range(0, len(jobs), ARRAY):
      try:
        some = self._executor.submit_array(jobs[start : start + ARRAY])
      except Exception as error:  # submitit raises sbatch's own message.
        raise RuntimeError(f'Slurm refuses the jobs: {error}') from error
      sent += [job.job_id for job in some]
    return sent

  def ended(self, jobs: Collection[str]) -> dict[str, str]:
    """Return, for each of these jobs that is over, how the job ended."""
    states = _states(self._name)
    if states is None:  # The controller does not answer now.
      return {}
    ended = {job: states.get(job, GONE) for job in jobs}
    return {
      job: f'Slurm job {job} {state}. {_last_words(self._logs, job)}'.strip()
      for job, state in ended.items()
      if state.split()[0] in FINAL | {GONE}
    }

  def leave(self) -> str:
    """Return how to cancel the jobs, which continue."""
    return (
      'The jobs continue; the same command follows them again. To cancel them: '
      f'scancel --me --name={self._name}'
    )


def parameters(plan: Plan, options: Mapping[str, str]) -> dict[str, Any]:
  """Return sbatch's parameters: one whole node of the plan's kind."""
  # Slurm needs a time limit. A trial that reaches it continues in another job.
  # Free seconds, mostly of evaluations, may be a multiple of the budget.
  longest = max(plan.budgets.values(), default=0.0)
  asked: dict[str, Any] = {
    'exclusive': True,
    'mem': 0,  # All memory of the node.
    'requeue': True,
    'time': 60 + math.ceil(5 * longest / 60),  # Limit in minutes.
  }
  if cards := plan.machine.accelerators:
    asked |= {'gres': f'gpu:{len(cards)}'}
  asked |= {n: value or True for n, value in options.items()}
  asked.pop('array_parallelism', None)
  return asked


def _executor(logs: pathlib.Path):
  try:
    import submitit  # noqa: PLC0415  # pyrefly: ignore
  except ImportError as error:
    raise ValueError(
      '--engine=slurm needs submitit, which is not installed: '
      ".venv/bin/pip install 'submitit>=1.5'"
    ) from error
  try:
    return submitit.SlurmExecutor(folder=logs)
  except RuntimeError as error:
    raise ValueError(
      '--engine=slurm: no Slurm here (srun is not found). Run the command on a '
      'node from which jobs are submitted.'
    ) from error


def _states(name: str) -> dict[str, str] | None:
  """Return states and nodes of the jobs of a name, by job.

  Jobs that ended recently are included. None means that Slurm does not answer.
  """
  command = ['squeue', '--me', f'--name={name}', '--states=all', '--array']
  done = subprocess.run(
    [*command, '--noheader', '--format=%i %T %N'],
    capture_output=True,
    encoding='utf-8',
    errors='replace',
    check=False,
  )
  if done.returncode:
    return None
  lines = (line.split(maxsplit=1) for line in done.stdout.splitlines())
  return {job: state.strip() for job, state in lines}


def _last_words(logs: pathlib.Path, job: str) -> str:
  try:
    text = (logs / f'{job}_0_log.out').read_text(
      encoding='utf-8', errors='replace'
    )
  except OSError:
    return ''
  lines = text.strip().splitlines()
  return lines[-1][-LAST_WORDS:] if lines else ''


def _digest(out: pathlib.Path) -> str:
  path = str(out.absolute().resolve())
  return hashlib.sha256(path.encode()).hexdigest()[:8]
