"""Time in which a process was stopped (SIGSTOP, Ctrl-Z) is nobody's.

The monotonic clock of the system runs on while a process is stopped. A thread
looks at it several times a second; when the process is continued the system
says so (SIGCONT), and what has passed since the thread's last look was the
pause. Without that signal a late look means nothing: the thread may have had to
wait for other work.
"""

import os
import select
import signal
import threading

# Before a submission is loaded, which may put others in their place.
from time import monotonic, sleep

PERIOD = 0.25  # Seconds between looks.
TOLD = 0.05  # Seconds that the system may take to tell of a signal.
LEAST = 1.0  # Shorter pauses are not told from a thread that had to wait.


class Stopwatch:
  """Seconds of time.monotonic less those in which the process was stopped.

  To be made in the main thread; there is one in a process.

  Attributes:
    suspended: Seconds so far in which it was stopped.
  """

  def __init__(self) -> None:
    self.suspended = 0.0
    self._last = monotonic()
    self._reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # Python tells the descriptor at once, whatever the main thread is doing,
    # but only of signals that somebody handles.
    signal.signal(signal.SIGCONT, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=self._watch, daemon=True).start()

  def now(self) -> float:
    """Seconds, never less than before."""
    while True:
      before, seconds = self.suspended, monotonic()
      if seconds - self._last < LEAST:
        return seconds - before
      sleep(PERIOD / 10)  # The thread has a pause to notice, or is late.
      if self.suspended == before and monotonic() - self._last < LEAST:
        return seconds - before

  def _watch(self) -> None:
    while True:
      ready, _, _ = select.select([self._reading], [], [], PERIOD)
      now = monotonic()
      if not ready and now - self._last >= LEAST:
        # After a pause the thread may be awake before the signal is told.
        ready, _, _ = select.select([self._reading], [], [], TOLD)
      told = os.read(self._reading, 256) if ready else b''
      if signal.SIGCONT in told and now - self._last >= LEAST:
        self.suspended += now - self._last
      self._last = now
