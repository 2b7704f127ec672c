"""A trial's process as its parent sees it: progress, timeouts, exit.

A process that hangs sends no progress. The parent asks it to write the stacks
of all its threads to its log, and kills it. All processes that the trial has
started end with it, so the next trial has the machine to itself.
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

from runner.launch import descendants
from runner.protocol.records import progress
from runner.protocol.records.progress import OnProgress

STACKS = signal.SIGUSR1  # Asks a trial to write its stacks.
GRACE = 1.0  # Seconds that a trial has to write its stacks.
LOOK = 0.25  # Seconds between two checks of whether the trial can go on.
LEAVE = 20.0  # Seconds that a trial has to save its state when asked to leave.
DYING = 5.0  # Seconds until killed processes have ended.
PIPE = 1 << 16  # Bytes that a pipe holds.
# Environment variable that marks a trial and all processes it starts.
MARK = 'TIMETRIAL_ATTEMPT'


class Timeouts(NamedTuple):
  """Time limits of a process, in seconds."""

  # Limit without progress. A large model needs minutes to compile.
  hang: float = 1800.0
  wall: float = float('inf')  # Limit of the whole process.


class Exit(NamedTuple):
  """End of a process.

  Attributes:
    code: Exit code; negative for a signal.
    ended: Time of the end, in seconds of time.monotonic.
    stopped: Reason why the parent stopped the process; '' if it did not.
    again: Whether another attempt may succeed after a stop.
  """

  code: int
  ended: float
  stopped: str
  again: bool = True


def answer_for_stacks() -> None:
  """Make this trial process write its stacks to its log on signal STACKS."""
  faulthandler.register(STACKS, file=sys.stderr, all_threads=True)


def keep_to_itself() -> None:
  """Keep descriptors of this trial process from programs that it starts.

  Such programs would otherwise hold the trial's lock after the trial has ended.
  """
  for path in pathlib.Path('/proc/self/fd').glob('*'):
    # The descriptor that lists the folder is closed by now.
    with contextlib.suppress(OSError):
      if int(path.name) > 2:
        os.set_inheritable(int(path.name), False)


def leave_at_once(code: int) -> NoReturn:
  """End this trial process at once, without waiting for threads of JAX."""
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
  leave: Callable[[], bool] = lambda: False,
) -> Exit:
  """Run a process, wait for its end, and end all that it has started.

  Args:
    command: Command that accepts --progress_fd, a descriptor for events as in
      runner/protocol/records/progress.py. The event 'over' says that the
      process only has to exit.
    log: File for the text that the process prints.
    on_progress: Called with every progress event.
    timeouts: Time limits of the process.
    env: Environment of the process.
    keep: Descriptors that the process inherits.
    lost: Returns why the process cannot go on, or ''; called every LOOK s.
    leave: Returns whether to ask the process to leave, which lets it save its
      state; called every LOOK s.

  Raises:
    KeyboardInterrupt: the user pressed Ctrl-C; the process has ended.
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
    asked = False

    def looked() -> str:
      nonlocal asked
      if not asked and leave():
        child.terminate()
        asked = True
      return lost()

    try:
      left = _follow(
        child,
        reading,
        started=started,
        on_progress=on_progress,
        timeouts=timeouts,
        lost=looked,
      )
      if left.stopped:
        child.send_signal(STACKS)
        time.sleep(GRACE)
      return left._replace(code=_kill(child, mark, orphans))
    except BaseException:  # Above all the user's Ctrl-C: leave nothing running.
      _dismiss(child, mark, orphans)
      raise


def processor_seconds() -> float:
  """Return the processor seconds of all ended descendants of this process."""
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

  The process is polled: other processes may keep its pipe open after its end.
  """
  over, last, lines = None, started, _Lines(reading)

  def hear(seconds: float) -> None:
    nonlocal over, last
    for line in lines.within(seconds, child):
      told, last = progress.parse(line), time.monotonic()
      if told.over:
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
        return left(f'The process took longer than {timeouts.wall:.0f} s.')
      if now >= last + timeouts.hang:
        return left(f'There was no progress for {timeouts.hang:.0f} s.')
    hear(0.0)  # Reads the events sent just before the exit.
  except progress.NewsError as error:
    return left(str(error), again=False)
  return left()


class _Lines:
  """Reader of whole lines from a pipe."""

  def __init__(self, reading: int):
    self._reading = reading
    self._rest = b''
    self._open = True

  def within(self, seconds: float, child: subprocess.Popen) -> list[bytes]:
    """Return the lines that arrive within `seconds`.

    Raises:
      NewsError: a line is longer than progress.LONGEST.
    """
    if len(self._rest) > progress.LONGEST:
      raise progress.NewsError(progress.refusal(self._rest))
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
    return lines  # A line without an end is refused after these.


def _dismiss(
  child: subprocess.Popen, mark: str, orphans: descendants.Orphans
) -> None:
  """Asks it to leave, which lets it save its state, and then makes it."""
  with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
    child.terminate()
    print(
      f'\nThe trial saves its state, in {LEAVE:.0f} s at most. Press Ctrl-C '
      'again to end it at once.',
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
  """Return the ids of all processes that carry the mark of a trial."""
  word, found = f'{MARK}={mark}'.encode(), []
  for path in pathlib.Path('/proc').glob('[0-9]*/environ'):
    with contextlib.suppress(
      OSError
    ):  # The process has ended, or is another user's.
      if word in path.read_bytes().split(b'\0'):
        found.append(int(path.parent.name))
  return found
