"""One trial as its folder tells it: its state, evaluations and hits."""

import math
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

from runner.protocol.plan import TrialKey
from runner.protocol.records.events import Hopeless
from runner.protocol.timing.accounts import Charges
from scoring.load.evals import Evals

# States in addition to the outcomes of layout.SCORED and layout.OPEN.
MISSING = 'missing'  # Planned, but never run.
UNFINISHED = 'unfinished'  # Running or interrupted; the files do not say.
UNCLEAR = 'unclear'  # Damaged or contradictory files.
UNTIMED = 'untimed'  # Without seconds: by steps, its result is known.
BEATEN = 'beaten'  # Outcome of a trial that could not change any score.
HOPELESS = 'hopeless'  # Outcome of a trial stopped by a forecast.
STOPPED = (BEATEN, HOPELESS)  # What else these would have reached is unknown.


class Trial(NamedTuple):
  """One training run as recorded in its folder."""

  key: TrialKey
  folder: pathlib.Path
  state: str
  reason: str
  budget: float  # Charged seconds, inf if unknown.
  evals: Evals
  # Index of the evaluation that meets the target, for every rung of the suite's
  # ladder; None: a miss. () if the trial is open.
  hits: tuple[int | None, ...]
  open: bool  # True if the trial is neither a hit nor a miss.
  seconds: float  # All charged seconds.
  accounts: Mapping[str, float]  # Seconds by account of the clock.
  remarks: list[str]  # Rows that were left out or repaired.
  kinds: frozenset[str] = frozenset()  # Kinds of hardware used.
  timed: bool = True  # False if its seconds do not count.
  projected: bool = False  # True if its seconds are from a time profile.
  hopeless: Hopeless | None = None  # Forecast that it would miss its target.

  @property
  def at(self) -> int | None:
    """Index of the evaluation that meets the exact target; None: a miss."""
    return self.hits[0] if self.hits else None

  @property
  def hit(self) -> float:
    """Charged seconds to the exact target; inf: a miss, NaN: open."""
    return self.measured('seconds')

  def measured(self, what: str, rung: int = 0) -> float:
    """Return the effort to a target; inf: a miss, NaN: open.

    Args:
      what: 'seconds' (charged), 'steps', or charged seconds without or with
        compilation: 'compiled' where it is charged, 'whole' where it is not
        (NaN if compilation is not recorded or exceeds the total).
      rung: Index of the target in the suite's ladder; 0 is the exact target.
    """
    if self.open:
      return math.nan
    at = self.hits[rung]
    if at is None:
      return math.inf
    if what in ('compiled', 'whole'):
      sign = -1 if what == 'compiled' else 1
      found = self.evals.seconds[at] + sign * self.evals.compile[at]
      return float(found) if found >= 0 else math.nan
    return float(getattr(self.evals, what)[at])

  def recharged(self, charges: Charges) -> 'Trial':
    """Return this trial as if it had been charged otherwise for compiling.

    Whether the target was reached within the budget stays as it was. A trial
    whose compilation is not recorded becomes unclear.

    Args:
      charges: What is charged, unlike in the trial.
    """
    if self.state == BEATEN:
      reason = 'It was stopped by seconds charged otherwise.'
      return self.opened(UNCLEAR, reason)
    sign = 1 if charges.compiling else -1
    seconds = self.evals.seconds + sign * self.evals.compile
    if not (seconds >= 0).all():
      reason = 'Its seconds of compilation are not recorded.'
      return self.opened(UNCLEAR, reason)
    spent = sum(self.accounts.values()) and charges.of(self.accounts)
    last = float(seconds[-1]) if seconds.size else 0.0
    return self._replace(
      evals=self.evals._replace(seconds=seconds), seconds=max(spent, last)
    )

  def by_steps(self, budget: float) -> 'Trial':
    """Return this trial with steps in the place of charged seconds.

    Args:
      budget: The budget in steps.
    """
    evals = self.evals._replace(
      seconds=self.evals.steps, compile=self.evals.steps * math.nan
    )
    last = float(evals.seconds[-1]) if evals else 0.0
    return self._replace(evals=evals, seconds=last, budget=budget)

  def opened(self, state: str, reason: str) -> 'Trial':
    """Return this trial as neither a hit nor a miss, and why."""
    return self._replace(state=state, reason=reason, hits=(), open=True)

  def until(self, seconds: float) -> 'Trial':
    """Return this trial as if stopped after so many charged seconds."""
    if self.seconds <= seconds:
      return self
    count = int((self.evals.seconds <= seconds).sum())
    return self._replace(
      evals=self.evals.first(count),
      hits=tuple(
        at if at is not None and at < count else None for at in self.hits
      ),
      seconds=seconds,
    )
