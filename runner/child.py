"""A trial's process as its parent sees it: news, silence, death.

A process that hangs says nothing more. It is asked for the stacks of all its
threads, which go to its log, and is killed.
"""

import contextlib
import faulthandler
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, NoReturn

STACKS = signal.SIGUSR1  # Asks a trial for them.
GRACE = 1.0  # Seconds that it has to write them.
LOOK = 1.0  # Seconds from one look at whether it can go on to the next.
LEAVE = 20.0  # Seconds that it has to save its state when it is asked to leave.

Tell = Callable[[dict], None]


class Patience(NamedTuple):
  """How long a process may take, in seconds."""

  silence: float = 1800.0  # Without progress; a large model compiles minutes.
  wall: float = float('inf')  # In all.


class Exit(NamedTuple):
  """How a process left."""

  code: int
  ended: float  # When, in seconds of time.monotonic.
  stopped: str  # Why it was stopped; empty if it left by itself.


def answer_for_stacks() -> None:
  """In the process of a trial: writes stacks to its log when it is asked."""
  faulthandler.register(STACKS, file=sys.stderr, all_threads=True)


def leave_at_once(code: int) -> NoReturn:
  """In the process of a trial: ends it, and waits for nothing of JAX's."""
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)


def run(
  command: list[str],
  log,
  tell: Tell,
  patience: Patience,
  env: dict[str, str],
  keep: Sequence[int] = (),
  lost: Callable[[], str] = lambda: '',
) -> Exit:
  """Starts a process and waits for it.

  Args:
    command: Takes --progress_fd, a file to tell progress to as lines of JSON;
      'over' in one says that all but leaving is done.
    log: A file for what it prints.
    tell: Hears its progress.
    patience: How long it may take.
    env: Its environment.
    keep: Descriptors that it inherits, and holds as long as it lives.
    lost: Asked now and then, why it cannot go on.
  """
  reading, writing = os.pipe()
  started = time.monotonic()
  child = subprocess.Popen(
    [*command, f'--progress_fd={writing}'],
    stdin=subprocess.DEVNULL,
    stdout=log,
    stderr=log,
    pass_fds=[writing, *keep],
    start_new_session=True,  # Ctrl-C reaches it through its parent only.
    env=env,
  )
  os.close(writing)
  try:
    over, stopped = _follow(reading, started, tell, patience, lost)
    if stopped:
      child.send_signal(STACKS)
      time.sleep(GRACE)
      _kill(child)
    code = child.wait()
    return Exit(code, over or time.monotonic(), stopped)
  except BaseException:  # Above all the user's Ctrl-C: leave nothing running.
    _dismiss(child)
    raise
  finally:
    os.close(reading)


def _follow(
  reading: int,
  started: float,
  tell: Tell,
  patience: Patience,
  lost: Callable[[], str],
) -> tuple[float | None, str]:
  """When the trial said that it was over, and why it has to be stopped."""
  over, last = None, started

  def left() -> float:
    return min(last + patience.silence, started + patience.wall)

  for news in _news(reading, left, lost):
    if news is None:
      if why := lost():
        return over, why
      if time.monotonic() < started + patience.wall:
        return over, f'There was no progress for {patience.silence:.0f} s.'
      return over, f'It took longer than {patience.wall:.0f} s.'
    last = time.monotonic()
    if 'over' in news:
      over = last
    tell(news)
  return over, ''


def _news(
  reading: int, deadline: Callable[[], float], lost: Callable[[], str]
) -> Iterator[dict | None]:
  """Lines as they come; None where the deadline has passed, or all is lost."""
  rest = b''
  while True:
    wait = max(0.0, deadline() - time.monotonic())
    ready, _, _ = select.select([reading], [], [], min(wait, LOOK))
    if not ready:
      if time.monotonic() >= deadline() or lost():
        yield None
      continue
    data = os.read(reading, 1 << 16)
    if not data:
      return
    *lines, rest = (rest + data).split(b'\n')
    yield from map(json.loads, lines)


def _dismiss(child: subprocess.Popen) -> None:
  """Asks it to leave, which lets it save its state, and then makes it."""
  child.terminate()
  with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
    child.wait(LEAVE)
  _kill(child)


def _kill(child: subprocess.Popen) -> None:
  """With all that it has started."""
  with contextlib.suppress(ProcessLookupError):
    os.killpg(child.pid, signal.SIGKILL)
  child.wait()
