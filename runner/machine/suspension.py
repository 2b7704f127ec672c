"""Time without the seconds in which a process was stopped (SIGSTOP, Ctrl-Z).

The system's monotonic clock runs on while a process is stopped. A thread reads
the clock several times a second. When the process continues, the system sends
SIGCONT, and the pause is the time since the thread's last reading. A late
reading without SIGCONT is not a pause: the thread may have waited for a
processor.
"""

import os
import select
import signal
import threading

# Imported by name before a submission is loaded, which could replace them.
from time import monotonic, sleep

PERIOD = 0.25  # Seconds between readings of the clock.
TOLD = 0.05  # Seconds that the system may take to deliver a signal.
LEAST = 1.0  # Shortest pause that is noticed, in seconds.


class Stopwatch:
  """Seconds of time.monotonic without those in which the process was stopped.

  A process makes one stopwatch, in its main thread.

  Attributes:
    suspended: Seconds so far in which the process was stopped.
  """

  def __init__(self) -> None:
    self.suspended = 0.0
    self._last = monotonic()
    self._reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # Python writes to the descriptor at once, even while the main thread is
    # busy, but only for signals that have a handler.
    signal.signal(signal.SIGCONT, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=self._watch, daemon=True).start()

  def now(self) -> float:
    """Return the present seconds, never less than before."""
    while True:
      before, seconds = self.suspended, monotonic()
      if seconds - self._last < LEAST:
        return seconds - before
      sleep(PERIOD / 10)  # Lets the thread notice a pause, or catch up.
      if self.suspended == before and monotonic() - self._last < LEAST:
        return seconds - before

  def _watch(self) -> None:
    while True:
      ready, _, _ = select.select([self._reading], [], [], PERIOD)
      now = monotonic()
      if not ready and now - self._last >= LEAST:
        # After a pause, the thread may wake before the signal arrives.
        ready, _, _ = select.select([self._reading], [], [], TOLD)
      told = os.read(self._reading, 256) if ready else b''
      if signal.SIGCONT in told and now - self._last >= LEAST:
        self.suspended += now - self._last
      self._last = now
