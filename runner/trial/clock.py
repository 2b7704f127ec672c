"""The only reader of the time.

Every second of a process belongs to exactly one account, from the moment it
was started. The submission pays for some accounts and not for others; whoever
leaves one that it pays for first waits for the devices, because JAX returns
before they are done.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.machine import load
from runner.machine.load import Load
from runner.protocol.columns import CHARGED, FREE


def own(what: str, ask: Callable[[], Any]) -> Any:
  """The answer of a process that has nobody to agree with."""
  del what
  return ask()


class Clock:
  """A stopwatch with accounts, one of them always running.

  Args:
    now: Monotonic seconds.
    wait: Blocks until the devices have finished what they were given.
    started: When the process was started, on the scale of `now`; since then
      'setup' runs.
    agree: As runner.trial.multihost.Hosts.agree, for what is charged.
    read: As runner.machine.load.read; None where the load is not measured.
  """

  def __init__(
    self,
    now: Callable[[], float] = time.monotonic,
    wait: Callable[[], None] = lambda: None,
    started: float | None = None,
    agree: Callable[[str, Callable[[], Any]], Any] = own,
    read: Callable[[], load.Reading] | None = None,
  ):
    self._now = now
    self._wait = wait
    self._agree = agree
    self._since = now() if started is None else started
    self._account = 'setup'
    self._spent = dict.fromkeys(CHARGED + FREE, 0.0)
    self._before = 0.0  # Of these, by other processes.
    self._compiled: list[tuple[float, float]] = []  # Since then.
    self._read = read
    self._reading: tuple[load.Reading, float] | None = None  # And when.
    self._load = Load()

  def restore(
    self,
    accounts: Mapping[str, float],
    before: Mapping[str, float] | None = None,
  ) -> None:
    """Adds what a trial had spent before it was interrupted.

    Args:
      accounts: As accounts gave them.
      before: Fields of what machine_load gave; None where nothing tells.
    """
    self._load = self._load.plus(Load(**before or {}))
    for account, seconds in accounts.items():
      self._spent[account] += seconds
      self._before += seconds

  @contextlib.contextmanager
  def account(self, name: str) -> Iterator[None]:
    """Charges the block to an account, then goes back to the one before."""
    before = self._account
    self._switch(name)
    try:
      yield
    finally:
      self._switch(before)

  def compiled(self, seconds: float) -> None:
    """The last seconds of the running account were spent on compilation.

    Compilation is only noticed when it is over, and it nests: what was told
    before and lies within this stretch counts once. Ignored while the
    submission pays for nothing.
    """
    if self._account not in CHARGED:
      return
    end = self._now()
    start = min(max(end - seconds, self._since), end)
    while self._compiled and self._compiled[-1][0] >= start:
      self._compiled.pop()
    self._compiled.append((start, end))

  def owe(self, seconds: float) -> float:
    """Charges compilation that another process has done; returns the charge.

    No time passed for it, so it is none of this process's own seconds. Nothing
    while the submission pays for nothing.
    """
    if self._account not in CHARGED:
      return 0.0
    self._spent['compile'] += seconds
    self._before += seconds
    return seconds

  def charged(self) -> float:
    """Seconds the submission has to answer for, up to this moment."""
    return self._agree('charged', self._charged)

  def _charged(self) -> float:
    spent = sum(self._spent[name] for name in CHARGED)
    if self._account in CHARGED:
      spent += self._now() - self._since
    return spent

  def accounts(self) -> dict[str, float]:
    """Seconds on every account, as of the last switch."""
    return dict(self._spent)

  def own_seconds(self) -> float:
    """Seconds on all accounts, without those of earlier processes."""
    return sum(self._spent.values()) - self._before

  def machine_load(self) -> Load:
    """Machine load over all charged seconds, as of the last switch."""
    return self._load

  def _switch(self, name: str) -> None:
    stops = self._account in CHARGED and name not in CHARGED
    if stops:
      self._wait()
    # Counters are read on free accounts, whichever way it goes.
    reading = None
    if self._read and self._account not in CHARGED and name in CHARGED:
      reading = self._read()
    now = self._now()
    compiled = sum(end - start for start, end in self._compiled)
    self._spent[self._account] += now - self._since - compiled
    self._spent['compile'] += compiled
    self._compiled = []
    self._account, self._since = name, now
    if reading is not None:
      self._reading = reading, now
    elif stops and self._read and self._reading:
      start, since = self._reading
      spent = load.between(start, self._read(), now - since)
      self._load = self._load.plus(spent)
