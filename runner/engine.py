"""Runs planned trials, one process each, one after another.

One at a time, so that every trial has the machine to itself and its seconds
mean something. A trial that fails leaves its folder as it is, and the next one
begins; the same command later runs what is missing and resumes what stopped.
"""

import os
import pathlib
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from runner import child, records, results

CODE = pathlib.Path(__file__).parent.parent
RESIDUAL = 0.01  # Of the wall time, on no account: above, the trial is invalid.
EXIT_SECONDS = 0.1  # But telling of the end may take so long.
# With this scheduler, programs on two cores of a CPU now and then wait for ever
# in their first step: 9 of 36 starts of librispeech_deepspeech/mini with jax
# 0.10.2, and none of 56 without it. Other workloads pay for that with steps up
# to a third longer (the conformer's), all submissions alike.
XLA_FLAGS = '--xla_cpu_enable_concurrency_optimized_scheduler=false'
# JAX's decompositions come from OpenBLAS, whose threads get in the way of
# XLA's: eigenvectors of eight matrices of 80 rows took 2.6 ms on two cores, and
# 1.6 ms with one thread a call; beside other work the difference is larger.
OPENBLAS_NUM_THREADS = '1'

SILENCE = child.Patience().silence
# Charged and free seconds together may be many times the budget: evaluations
# of Criteo 1TB took four fifths of the wall time of published runs.
WALL_FACTOR, WALL_SECONDS = 20.0, 3600.0
ENDED_BY_OTHERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SECRET = re.compile(
  'TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|^AWS_|^AZURE_',
  re.IGNORECASE,
)
LOG = 'trial.log'
TAIL = 20  # Its lines that are kept beside an outcome.

Tell = Callable[[dict], None]


def pending(out: pathlib.Path, table: dict[str, Any]) -> list[dict]:
  """Planned trials that have no outcome that speaks of the algorithm."""
  return [
    trial
    for trial in table['trials']
    if not records.status(results.place(out, trial)).done
  ]


def run_trial(
  out: pathlib.Path,
  table: dict[str, Any],
  trial: dict,
  tell: Tell,
  silence: float = SILENCE,
) -> records.Status:
  """Runs or resumes one trial in a process of its own, and waits for it.

  Args:
    out: The results folder.
    table: The plan as it is stored.
    trial: One of its trials.
    tell: Hears of its progress.
    silence: Seconds without progress after which it is stopped.
  """
  folder = results.prepare(out, table, trial)
  budget = records.read_json(folder / records.TRIAL)['budget']['seconds']
  patience = child.Patience(silence, WALL_FACTOR * budget + WALL_SECONDS)
  killed_before = _memory_kills()
  started = time.monotonic()
  command = [sys.executable, '-m', 'runner', 'trial', f'--folder={folder}']
  command.append(f'--started={started!r}')
  with (
    tempfile.TemporaryDirectory(prefix='timetrial-') as private,
    _log(folder) as log,
  ):
    own = environment() | {'TMPDIR': private}
    left = child.run(command, log, tell, patience, own)
  killed = _memory_kills() > killed_before
  _close(folder, left, left.ended - started, killed)
  return records.status(folder)


def environment() -> dict[str, str]:
  """Of a trial's process; what the user sets prevails, but for secrets.

  Submissions are other people's code, and have no use for anybody's keys.
  """
  path = os.pathsep.join([str(CODE), os.environ.get('PYTHONPATH', '')])
  flags = f'{XLA_FLAGS} {os.environ.get("XLA_FLAGS", "")}'
  harmless = {n: v for n, v in os.environ.items() if not SECRET.search(n)}
  return harmless | {
    'PYTHONPATH': path.rstrip(os.pathsep),
    'XLA_FLAGS': flags.strip(),
    'OPENBLAS_NUM_THREADS': os.environ.get(
      'OPENBLAS_NUM_THREADS', OPENBLAS_NUM_THREADS
    ),
  }


def _close(
  folder: pathlib.Path, left: child.Exit, wall: float, killed: bool
) -> None:
  """Writes down how the process left, and what only its parent can see."""
  events = list(records.read_lines(folder / records.ATTEMPTS))
  last = events[-1] if events else {}
  attempt = last.get('attempt', 0)
  if last.get('event') == 'end':
    residual = wall - last['own_seconds'] - last['suspended_seconds']
    records.event(folder, 'exit', attempt, code=left.code, wall_seconds=wall,
           residual_seconds=residual)  # fmt: skip
    if abs(residual) > max(RESIDUAL * wall, EXIT_SECONDS):
      reason = (
        f'{residual:.2f} of {wall:.2f} s are on no account of the clock; '
        f'at most {RESIDUAL:.0%} may be.'
      )
      _end(folder, last, 'invalid', reason, True)
    return
  records.event(
    folder,
    'exit',
    attempt,
    code=left.code,
    wall_seconds=wall,
    log=_tail(folder),
  )
  if not events:
    records.event(folder, 'start', attempt)  # It never came so far.
  _end(folder, {'attempt': attempt}, *_death(folder, left, killed))


def _death(
  folder: pathlib.Path, left: child.Exit, killed: bool
) -> tuple[str, str, bool]:
  """Outcome, reason, and whether another attempt may go better."""
  if left.stopped:
    reason = f'{left.stopped} It was stopped; its stacks are in trial.log.'
    return 'crashed', reason, True
  if killed and left.code == -signal.SIGKILL:
    reason = 'The system ran out of memory and killed the process.'
    return 'oom', reason, True
  if left.code < 0:
    name = signal.Signals(-left.code).name
    outcome = 'preempted' if -left.code in ENDED_BY_OTHERS else 'crashed'
    return outcome, f'The process was ended by {name}.', True
  tail = ' '.join(_tail(folder))[-300:]
  if left.code == os.EX_IOERR:
    return 'preempted', tail, True
  return 'crashed', f'Exit code {left.code}: {tail}', False


def _log(folder: pathlib.Path):
  with records.storing(folder / LOG):
    return (folder / LOG).open('ab')


def _tail(folder: pathlib.Path) -> list[str]:
  """The last lines of a trial's log, if it is still there."""
  try:
    log = (folder / LOG).read_text(errors='replace')
  except OSError:
    return []
  return log.strip().splitlines()[-TAIL:]


def _end(
  folder: pathlib.Path, last: dict, outcome: str, reason: str, again: bool
) -> None:
  """An end that the trial itself did not write."""
  rest = {'step': 0, 'seconds': 0.0, 'accounts': {}} | last
  rest |= {'event': 'end', 'outcome': outcome, 'reason': reason, 'again': again}
  records.append_line(folder / records.ATTEMPTS, rest)


def _memory_kills() -> int:
  """How many processes the system has killed for memory since it booted."""
  try:
    lines = pathlib.Path('/proc/vmstat').read_text().splitlines()
  except OSError:
    return 0
  return sum(int(x.split()[1]) for x in lines if x.startswith('oom_kill '))
