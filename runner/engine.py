"""Runs planned trials, one process each, one after another.

One at a time, so that every trial has the machine to itself and its seconds
mean something. A trial that fails leaves its folder as it is, and the next one
begins; the same command later runs what is missing and resumes what stopped.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from runner import records, results

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

Tell = Callable[[dict], None]


def pending(out: pathlib.Path, table: dict[str, Any]) -> list[dict]:
  """Planned trials that have no outcome that speaks of the algorithm."""
  return [
    trial
    for trial in table['trials']
    if not records.status(results.place(out, trial)).done
  ]


def run_trial(
  out: pathlib.Path, table: dict[str, Any], trial: dict, tell: Tell
) -> records.Status:
  """Runs or resumes one trial in a process of its own, and waits for it."""
  folder = results.prepare(out, table, trial)
  killed_before = _memory_kills()
  started = time.monotonic()
  with (folder / 'trial.log').open('ab') as log:
    code, ended = _process(folder, started, log, tell)
  killed = _memory_kills() > killed_before
  _close(folder, code, ended - started, killed)
  return records.status(folder)


def environment() -> dict[str, str]:
  """Of a trial's process; what the user sets prevails."""
  path = os.pathsep.join([str(CODE), os.environ.get('PYTHONPATH', '')])
  flags = f'{XLA_FLAGS} {os.environ.get("XLA_FLAGS", "")}'
  return os.environ | {
    'PYTHONPATH': path.rstrip(os.pathsep),
    'XLA_FLAGS': flags.strip(),
    'OPENBLAS_NUM_THREADS': os.environ.get(
      'OPENBLAS_NUM_THREADS', OPENBLAS_NUM_THREADS
    ),
  }


def _process(
  folder: pathlib.Path, started: float, log, tell: Tell
) -> tuple[int, float]:
  """Exit code of a trial's process, and when it was over.

  That is when it says so, as the system takes a while to take its memory back.
  """
  reading, writing = os.pipe()
  command = [sys.executable, '-m', 'runner', 'trial', f'--folder={folder}']
  command += [f'--started={started!r}', f'--progress_fd={writing}']
  child = subprocess.Popen(
    command,
    stdin=subprocess.DEVNULL,
    stdout=log,
    stderr=log,
    pass_fds=[writing],
    start_new_session=True,  # Ctrl-C reaches it through its parent only.
    env=environment(),
  )
  os.close(writing)
  ended = None
  try:
    with os.fdopen(reading) as lines:
      for line in lines:
        news = json.loads(line)
        if 'over' in news:
          ended = time.monotonic()
        tell(news)
    code = child.wait()
    return code, ended or time.monotonic()
  except BaseException:  # Above all the user's Ctrl-C: leave nothing running.
    child.kill()
    child.wait()
    raise


def _close(folder: pathlib.Path, code: int, wall: float, killed: bool) -> None:
  """Writes down how the process left, and what only its parent can see."""
  events = list(records.read_lines(folder / records.ATTEMPTS))
  last = events[-1] if events else {}
  attempt = last.get('attempt', 0)
  if last.get('event') == 'end':
    residual = wall - last['own_seconds']
    records.event(folder, 'exit', attempt, code=code, wall_seconds=wall,
           residual_seconds=residual)  # fmt: skip
    if abs(residual) > max(RESIDUAL * wall, EXIT_SECONDS):
      reason = (
        f'{residual:.2f} of {wall:.2f} s are on no account of the clock; '
        f'at most {RESIDUAL:.0%} may be.'
      )
      _end(folder, last, 'invalid', reason)
    return
  records.event(folder, 'exit', attempt, code=code, wall_seconds=wall)
  if not events:
    records.event(folder, 'start', attempt)  # It never came so far.
  outcome, reason = _death(folder, code, killed)
  _end(folder, {'attempt': attempt}, outcome, reason)


def _death(folder: pathlib.Path, code: int, killed: bool) -> tuple[str, str]:
  if killed and code == -9:
    return 'oom', 'The system ran out of memory and killed the process.'
  if code < 0:
    return 'preempted', f'The process was ended by signal {-code}.'
  tail = (folder / 'trial.log').read_text(errors='replace').strip()
  return 'crashed', f'Exit code {code}: {tail[-300:]}'


def _end(folder: pathlib.Path, last: dict, outcome: str, reason: str) -> None:
  rest = {'step': 0, 'seconds': 0.0, 'accounts': {}} | last
  rest |= {'event': 'end', 'outcome': outcome, 'reason': reason}
  records.append_line(folder / records.ATTEMPTS, rest)


def _memory_kills() -> int:
  """How many processes the system has killed for memory since it booted."""
  try:
    lines = pathlib.Path('/proc/vmstat').read_text().splitlines()
  except OSError:
    return 0
  return sum(int(x.split()[1]) for x in lines if x.startswith('oom_kill '))
