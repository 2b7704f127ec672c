"""The trial's clock, which charges seconds to accounts.

Every second of a process, from its start, belongs to exactly one account. The
submission pays for the accounts that the suite charges. The clock waits for the
devices when an account of work ends, because JAX returns before they have
finished.
"""

import collections
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from runner.machine import load
from runner.machine.load import Load
from runner.protocol.timing import accounts
from runner.protocol.timing.accounts import ALL, FREE, WORK, Charges


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
    self.wait = wait
    self._agree = agree
    self._since = now() if started is None else started
    self._account = accounts.SETUP
    self._spent = dict.fromkeys(WORK + FREE, 0.0)
    self._before = 0.0  # Part of `_spent` that other processes have spent.
    self._charges = ALL
    self._billed = 0.0  # Seconds of compiling beyond the free ones.
    # Start of what JAX made since `_since`, and its seconds by account.
    self._made: list[tuple[float, dict[str, float]]] = []
    self._read = read
    self._reading: tuple[load.Reading, float] | None = None  # Load and time.
    self._load = Load()
    self._limit: Limit | None = None

  def charge(self, charges: Charges) -> None:
    """Charge what a suite says; without this call, all work is charged."""
    self._charges = charges

  @property
  def charges(self) -> Charges:
    """Accounts that are charged, and the seconds that are free."""
    return self._charges

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
    self._billed = self._beyond()

  @contextlib.contextmanager
  def account(self, name: str) -> Iterator[None]:
    """Charge the block to an account, then return to the previous account."""
    before = self._account
    self._switch(name)
    try:
      yield
    finally:
      self._switch(before)

  @contextlib.contextmanager
  def repeated(self, free: Mapping[str, float]) -> Iterator[None]:
    """Run what an earlier attempt was charged for, and a resumed one repeats.

    Args:
      free: Seconds by account of work that are not charged again.
    """
    before = dict(self._spent)
    with self.account(accounts.TRAIN):
      yield
    for name, seconds in free.items():
      again = min(self._spent[name] - before[name], seconds)
      self._spent[name] -= again
      self._spent[accounts.RESTORE] += again

  @property
  def working(self) -> bool:
    """True if an account of work is running."""
    return self._account in WORK

  def made(self, account: str, seconds: float) -> None:
    """Move the last seconds of the running account to another one.

    Tracing and compiling are reported at their end, and they nest: seconds that
    were moved before stay where they are. Nothing happens on a free account.

    Args:
      account: TRACE or COMPILE.
      seconds: Seconds until now.
    """
    if not self.working:
      return
    end = self._now()
    start = min(max(end - seconds, self._since), end)
    inner: dict[str, float] = collections.defaultdict(float)
    while self._made and self._made[-1][0] >= start:
      _add_all(inner, self._made.pop()[1])
    inner[account] += max(0.0, end - start - sum(inner.values()))
    self._made.append((start, inner))

  def owe(self, account: str, seconds: float) -> float:
    """Add what another process has compiled; return the added seconds.

    These seconds do not belong to `own_seconds`. Nothing is added on a free
    account.
    """
    if not self.working:
      return 0.0
    self._add(account, seconds)
    return seconds

  def _add(self, account: str, seconds: float) -> None:
    """Charge seconds that are not of this process's wall time."""
    self._spent[account] += seconds
    self._before += seconds

  def charged(self) -> float:
    """Return the charged seconds up to this moment."""
    return self._agree('charged', self._charged)

  def _charged(self) -> float:
    spent = self._charges.of(self._spent)
    if self.working:
      spent += self._now() - self._since
      if self._made and not self._charges.compiling:
        spent -= self._moved()[accounts.COMPILE]
    return spent

  def _moved(self) -> dict[str, float]:
    """Return seconds since the last switch that belong to other accounts."""
    found: dict[str, float] = collections.defaultdict(float)
    for _, seconds in self._made:
      _add_all(found, seconds)
    return found

  def _beyond(self) -> float:
    """Return the seconds of compiling that are beyond the free ones."""
    if self._charges.compiling:
      return 0.0
    return max(0.0, self._spent[accounts.COMPILE] - self._charges.free_compile)

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
    stops = self.working and name not in WORK
    if stops:
      self.wait()
    # Load counters are read while a free account runs, so reading is free.
    reading = None
    if self._read and not self.working and name in WORK:
      reading = self._read()
    now = self._now()
    self._spent[self._account] += now - self._since
    if self._made:
      self._settle()
    if self._limit is not None:
      self._add(accounts.OVERRUN, self._limit.switched(self._account, name))
    if (beyond := self._beyond()) > self._billed:
      self._add(accounts.OVERRUN, beyond - self._billed)
      self._billed = beyond
    self._account, self._since = name, now
    if reading is not None:
      self._reading = reading, now
    elif stops and self._read and self._reading:
      start, since = self._reading
      spent = load.between(start, self._read(), now - since)
      self._load = self._load.plus(spent)

  def _settle(self) -> None:
    """Move what JAX has made to its accounts."""
    moved = self._moved()
    self._spent[self._account] -= sum(moved.values())
    for account, seconds in moved.items():
      self._spent[account] += seconds
    self._made = []


def _add_all(sums: dict[str, float], more: Mapping[str, float]) -> None:
  for name, seconds in more.items():
    sums[name] += seconds
