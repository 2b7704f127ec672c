"""Trials as jobs of Slurm, which submitit submits as arrays.

Every job has a node to itself, and is queued again by Slurm where that fails.
Jobs go on when nobody waits for them.
"""

import functools
import hashlib
import math
import os
import pathlib
import subprocess
from collections.abc import Collection
from typing import Any

from runner.executors.base import Fleet
from runner.protocol.plan import Plan

LOGS = '.slurm'  # In the results folder: what submitit writes, and jobs print.
ARRAY = 1000  # Jobs; Slurm takes one more in an array, if not told otherwise.
# In which jobs are over. There are many in which they are not.
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
GONE = 'GONE'  # Not ours, or forgotten; Slurm keeps jobs for minutes.
SETUP = [  # For records, see runner.protocol.layout.
  'export TIMETRIAL_HOST=$SLURMD_NODENAME',
  'export TIMETRIAL_JOB=slurm:${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}'
  '${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}',
]
LAST_WORDS = 300  # Characters of what a job has printed.


def fleet(out: pathlib.Path, made: Plan, options: dict[str, str]) -> Fleet:
  """
  Args:
    out: The results folder.
    made: What is to be run; its machine is the kind of the nodes.
    options: Of sbatch, by their long names; and array_parallelism, how many of
      an array run at once.

  Raises:
    ValueError: there is no submitit, or no Slurm.
  """
  name = f'timetrial-{_digest(out)}'
  logs = out.absolute() / LOGS
  executor = _executor(logs)
  parallel = options.get('array_parallelism', str(ARRAY))
  if not parallel.isdecimal() or not int(parallel):
    raise ValueError(f'array_parallelism={parallel} is no number of jobs.')
  executor.update_parameters(
    job_name=name,
    stderr_to_stdout=True,
    use_srun=False,  # A step of its own would have to be given all cores.
    setup=SETUP,
    array_parallelism=int(parallel),
    additional_parameters=parameters(made, options),
  )

  def submit(commands: list[list[str]]) -> list[str]:
    # The command takes the place of submitit's process: signals reach it.
    jobs = [functools.partial(os.execvp, words[0], words) for words in commands]
    sent: list[str] = []
    for start in range(0, len(jobs), ARRAY):
      try:
        some = executor.submit_array(jobs[start : start + ARRAY])
      except Exception as error:  # submitit passes on what sbatch has printed.
        raise RuntimeError(f'Slurm takes no jobs: {error}') from error
      sent += [job.job_id for job in some]
    return sent

  def over(names: Collection[str]) -> dict[str, str]:
    states = _states(name)
    if states is None:  # The controller does not answer now.
      return {}
    ended = {n: states.get(n, GONE) for n in names}
    return {
      n: f'Slurm job {n} {state}. {_last_words(logs, n)}'.strip()
      for n, state in ended.items()
      if state.split()[0] in FINAL | {GONE}
    }

  def leave() -> str:
    return f'Jobs go on, and are followed again; or: scancel --me --name={name}'

  return Fleet(submit, over, leave)


def parameters(made: Plan, options: dict[str, str]) -> dict[str, Any]:
  """Of sbatch: one whole node of the kind that was asked for."""
  # A limit is needed, and what Slurm ends by it goes on in another job. Free
  # seconds, mostly of evaluations, are a multiple of those in the budget.
  longest = max(made.budgets.values(), default=0.0)
  asked: dict[str, Any] = {
    'exclusive': True,
    'mem': 0,  # All of it.
    'requeue': True,
    'time': 60 + math.ceil(5 * longest / 60),  # Minutes.
  }
  if cards := made.machine['accelerators']:
    asked['gres'] = f'gpu:{len(cards)}'
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
      '--engine=slurm: no Slurm here (srun is not found). Start this on a node '
      'from which jobs are submitted.'
    ) from error


def _states(name: str) -> dict[str, str] | None:
  """State and node of the jobs of that name, those just ended as well."""
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
