"""The trial's clock, which charges seconds to accounts.

Every second of a process, from its start, belongs to exactly one account. The
submission pays for the charged accounts only. The clock waits for the devices
when a charged account ends, because JAX returns before they have finished.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from runner.machine import load
from runner.machine.load import Load
from runner.protocol import accounts
from runner.protocol.accounts import CHARGED, FREE


class Limit(Protocol):
  """A bound on free seconds; see runner.trial.allowance.Allowance."""

  def switched(self, before: str, after: str) -> float:
    """Take note of the next account; return seconds to charge."""
    ...


def own(what: str, ask: Callable[[], Any]) -> Any:
  """Return the answer of this process, for a trial on a single host."""
  del what
  return ask()


class Clock:
  """A stopwatch with accounts, one of which is always running.

  Args:
    now: Returns monotonic seconds.
    wait: Blocks until the devices have finished their work.
    started: Start of the process, on the scale of `now`; account 'setup' runs
      from then on.
    agree: Makes charged seconds equal on all hosts, see
      runner.trial.multihost.Hosts.agree.
    read: Reads the machine's load, see runner.machine.load.read; None: the load
      is not measured.
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
    self._account = accounts.SETUP
    self._spent = dict.fromkeys(CHARGED + FREE, 0.0)
    self._before = 0.0  # Part of `_spent` that other processes have spent.
    # Start and end of compilations since `_since`.
    self._compiled: list[tuple[float, float]] = []
    self._read = read
    self._reading: tuple[load.Reading, float] | None = None  # Load and time.
    self._load = Load()
    self._limit: Limit | None = None

  def limit(self, allowance: Limit) -> None:
    """Charge what free accounts take beyond an allowance, from now on."""
    self._limit = allowance

  def restore(
    self,
    accounts: Mapping[str, float],
    before: Mapping[str, float] | None = None,
  ) -> None:
    """Add the seconds that a trial had spent before it was interrupted.

    Args:
      accounts: Earlier return value of `accounts`.
      before: Fields of an earlier `machine_load`; None if it is unknown.
    """
    self._load = self._load.plus(Load(**before or {}))
    for account, seconds in accounts.items():
      self._spent[account] += seconds
      self._before += seconds

  @contextlib.contextmanager
  def account(self, name: str) -> Iterator[None]:
    """Charge the block to an account, then return to the previous account."""
    before = self._account
    self._switch(name)
    try:
      yield
    finally:
      self._switch(before)

  def compiled(self, seconds: float) -> None:
    """Charge the last seconds of the running account to compilation.

    Compilations are reported at their end, and they nest: an earlier report
    within these seconds counts once. Nothing happens on a free account.
    """
    if self._account not in CHARGED:
      return
    end = self._now()
    start = min(max(end - seconds, self._since), end)
    while self._compiled and self._compiled[-1][0] >= start:
      self._compiled.pop()
    self._compiled.append((start, end))

  def owe(self, seconds: float) -> float:
    """Charge compilation that another process has done; return the charge.

    These seconds do not belong to `own_seconds`. Nothing is charged on a free
    account.
    """
    if self._account not in CHARGED:
      return 0.0
    self._add(accounts.COMPILE, seconds)
    return seconds

  def _add(self, account: str, seconds: float) -> None:
    """Charge seconds that are not of this process's wall time."""
    self._spent[account] += seconds
    self._before += seconds

  def charged(self) -> float:
    """Return the charged seconds up to this moment."""
    return self._agree('charged', self._charged)

  def _charged(self) -> float:
    spent = sum(self._spent[name] for name in CHARGED)
    if self._account in CHARGED:
      spent += self._now() - self._since
    return spent

  def accounts(self) -> dict[str, float]:
    """Return the seconds on every account, up to the last switch."""
    return dict(self._spent)

  def own_seconds(self) -> float:
    """Return the seconds on all accounts without those of other processes."""
    return sum(self._spent.values()) - self._before

  def machine_load(self) -> Load:
    """Return the load in all charged seconds, up to the last switch."""
    return self._load

  def _switch(self, name: str) -> None:
    stops = self._account in CHARGED and name not in CHARGED
    if stops:
      self._wait()
    # Load counters are read while a free account runs, so reading is free.
    reading = None
    if self._read and self._account not in CHARGED and name in CHARGED:
      reading = self._read()
    now = self._now()
    compiled = sum(end - start for start, end in self._compiled)
    self._spent[self._account] += now - self._since - compiled
    self._spent[accounts.COMPILE] += compiled
    self._compiled = []
    if self._limit is not None:
      self._add(accounts.OVERRUN, self._limit.switched(self._account, name))
    self._account, self._since = name, now
    if reading is not None:
      self._reading = reading, now
    elif stops and self._read and self._reading:
      start, since = self._reading
      spent = load.between(start, self._read(), now - since)
      self._load = self._load.plus(spent)
