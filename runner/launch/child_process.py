"""A trial's process as its parent sees it: news, silence, death.

A process that hangs says nothing more. It is asked for the stacks of all its
threads, which go to its log, and is killed. However it leaves, what it has
started ends with it: the next trial has the machine to itself.
"""

import contextlib
import faulthandler
import os
import pathlib
import resource
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from runner.launch import descendants, progress_events

STACKS = signal.SIGUSR1  # Asks a trial for them.
GRACE = 1.0  # Seconds that it has to write them.
LOOK = 0.25  # Seconds from one look at whether it can go on to the next.
LEAVE = 20.0  # Seconds that it has to save its state when it is asked to leave.
DYING = 5.0  # Seconds that killed processes have to be gone.
PIPE = 1 << 16  # Bytes that a pipe holds.
# A variable in the environment of a trial, and of all processes it starts.
MARK = 'TIMETRIAL_ATTEMPT'

OnProgress = Callable[[dict], None]


class Timeouts(NamedTuple):
  """How long a process may take, in seconds."""

  hang: float = 1800.0  # Without progress; a large model compiles minutes.
  wall: float = float('inf')  # In all.


class Exit(NamedTuple):
  """How a process left."""

  code: int
  ended: float  # When, in seconds of time.monotonic.
  stopped: str  # Why it was stopped; empty if it left by itself.
  again: bool = True  # Whether another attempt may go better, if stopped.


def answer_for_stacks() -> None:
  """In the process of a trial: writes stacks to its log when it is asked."""
  faulthandler.register(STACKS, file=sys.stderr, all_threads=True)


def keep_to_itself() -> None:
  """Keep descriptors of this trial process from programs that it starts.

  A lock that they held would outlive it, where its runner is gone as well.
  """
  for path in pathlib.Path('/proc/self/fd').glob('*'):
    with contextlib.suppress(OSError):  # It was open to list them.
      if int(path.name) > 2:
        os.set_inheritable(int(path.name), False)


def leave_at_once(code: int) -> NoReturn:
  """In the process of a trial: ends it, and waits for nothing of JAX's."""
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)


def run(
  command: list[str],
  log,
  on_progress: OnProgress,
  timeouts: Timeouts,
  env: dict[str, str],
  keep: Sequence[int] = (),
  lost: Callable[[], str] = lambda: '',
) -> Exit:
  """Starts a process, waits for it, and ends all that it has started.

  Args:
    command: Takes --progress_fd, a file that receives events as in
      runner/launch/progress_events.py; 'over' says that all but leaving is
      done.
    log: A file for what it prints.
    on_progress: Called with every progress event.
    timeouts: How long it may take.
    env: Its environment.
    keep: Descriptors that it inherits, and holds as long as it lives.
    lost: Asked now and then, why it cannot go on.
  """
  reading, writing = os.pipe()
  started = time.monotonic()
  mark = secrets.token_hex(8)
  with contextlib.ExitStack() as open_now:
    open_now.callback(os.close, reading)
    orphans = open_now.enter_context(descendants.adopted())
    child = subprocess.Popen(
      [*command, f'--progress_fd={writing}'],
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=log,
      pass_fds=[writing, *keep],
      start_new_session=True,  # Ctrl-C reaches it through its parent only.
      env=env | {MARK: mark},
    )
    os.close(writing)
    try:
      left = _follow(child, reading, started, on_progress, timeouts, lost)
      if left.stopped:
        child.send_signal(STACKS)
        time.sleep(GRACE)
      return left._replace(code=_kill(child, mark, orphans))
    except BaseException:  # Above all the user's Ctrl-C: leave nothing running.
      _dismiss(child, mark, orphans)
      raise


def processor_seconds() -> float:
  """Processor seconds of this process's ended children, and of theirs."""
  spent = resource.getrusage(resource.RUSAGE_CHILDREN)
  return spent.ru_utime + spent.ru_stime


def _follow(
  child: subprocess.Popen,
  reading: int,
  started: float,
  on_progress: OnProgress,
  timeouts: Timeouts,
  lost: Callable[[], str],
) -> Exit:
  """Follow a process until it exits or must be stopped; the code is set later.

  Its end does not depend on the pipe's: others may hold that open.
  """
  over, last, lines = None, started, _Lines(reading)

  def hear(seconds: float) -> None:
    nonlocal over, last
    for line in lines.within(seconds, child):
      told, last = progress_events.parsed(line), time.monotonic()
      if 'over' in told:
        over = last
      on_progress(told)

  def left(stopped: str = '', again: bool = True) -> Exit:
    return Exit(0, over or time.monotonic(), stopped, again)

  try:
    while child.poll() is None:
      end = min(last + timeouts.hang, started + timeouts.wall)
      hear(min(max(0.0, end - time.monotonic()), LOOK))
      if why := lost():
        return left(why)
      now = time.monotonic()
      if now >= started + timeouts.wall:
        return left(f'It took longer than {timeouts.wall:.0f} s.')
      if now >= last + timeouts.hang:
        return left(f'There was no progress for {timeouts.hang:.0f} s.')
    hear(0.0)  # Its last words.
  except progress_events.NewsError as error:
    return left(str(error), again=False)
  return left()


class _Lines:
  """Whole lines of what comes out of a pipe."""

  def __init__(self, reading: int):
    self._reading = reading
    self._rest = b''
    self._open = True

  def within(self, seconds: float, child: subprocess.Popen) -> list[bytes]:
    """Read the lines that come within so many seconds.

    Raises:
      NewsError: a line does not end.
    """
    if not self._open:
      with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
      return []
    ready, _, _ = select.select([self._reading], [], [], seconds)
    if not ready:
      return []
    data = os.read(self._reading, PIPE)
    self._open = bool(data)
    *lines, self._rest = (self._rest + data).split(b'\n')
    if len(self._rest) > progress_events.LONGEST:
      raise progress_events.NewsError(progress_events.refusal(self._rest))
    return lines


def _dismiss(
  child: subprocess.Popen, mark: str, orphans: descendants.Orphans
) -> None:
  """Asks it to leave, which lets it save its state, and then makes it."""
  with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
    child.terminate()
    print(
      f'\nThe trial saves its state, which takes {LEAVE:.0f} s at most. Ctrl-C '
      'again ends it at once.',
      file=sys.stderr,
    )
    child.wait(LEAVE)
  _kill(child, mark, orphans)


def _kill(
  child: subprocess.Popen, mark: str, orphans: descendants.Orphans
) -> int:
  """Kill a process with all that it has started; return its exit code.

  The mark finds what orphans are not taken in, on other systems than Linux.
  """
  with contextlib.suppress(ProcessLookupError):
    os.killpg(child.pid, signal.SIGKILL)
  code = child.wait()
  if left := orphans.end():
    print(
      f'Processes {left} that a trial has started cannot be ended, and slow '
      'the next trials. Restart the machine.',
      file=sys.stderr,
    )
  deadline = time.monotonic() + DYING
  while (found := marked(mark)) and time.monotonic() < deadline:
    for one in found:
      with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(one, signal.SIGKILL)
    time.sleep(0.01)
  return code


def marked(mark: str) -> list[int]:
  """Processes that a trial has started, in whatever session they are now."""
  word, found = f'{MARK}={mark}'.encode(), []
  for path in pathlib.Path('/proc').glob('[0-9]*/environ'):
    with contextlib.suppress(OSError):  # Another user's, or gone.
      if word in path.read_bytes().split(b'\0'):
        found.append(int(path.parent.name))
  return found
