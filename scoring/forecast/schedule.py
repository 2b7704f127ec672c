"""Learning rates of a trial to its end, from those that it has recorded.

What is known: a submission that gives its schedule to `from_optax` records the
rates that it intends, when its trial begins (schedule.json), and the rate of
every few steps in measurements.csv (`learning_rate`). A trial that does not
keep to what it intends has an unknown schedule.

Results that are older have the rates so far only. Then a past that fits a
warmup and a cosine or linear decay, and no other form, tells the rest. A rate
that has not fallen yet tells nothing: it may stay constant, or fall at the end.
A rate is never known that a submission adapts by what it observes, or keeps in
its own state: its record is a factor only. AlgoPerf's logs have no rates.
"""

import csv
import math
import pathlib
from typing import NamedTuple

import numpy as np

from runner.protocol import columns, layout, storage
from runner.protocol.records import schedules
from runner.protocol.records.schedules import WholeSchedule
from scoring.load.safe_files import LONGEST, Damage, plain

RATE = 'learning_rate'
FALLEN = 0.97  # The rate must have fallen below this share of its peak.
CLOSEST = 0.005  # Largest root-mean-square misfit, as a share of the peak.
CLEARER = 2.0  # Another form must fit this many times worse.
KEPT = 0.02  # The same, of rates that keep to what was intended.
TINY = 1e-30
LEAST = 6  # Recorded rates after the peak.
HORIZONS = np.linspace(0.4, 1.5, 111)  # Ends of decays, as shares of the steps.


class Rates(NamedTuple):
  """Learning rates that a trial has recorded."""

  steps: np.ndarray  # Steps with recorded rates, increasing, [N].
  rates: np.ndarray  # Their rates, [N].
  whole: WholeSchedule | None = None  # Rates that it intends, if it says so.

  def __bool__(self) -> bool:
    return self.steps.size > 0 or self.whole is not None

  def until(self, step: float) -> 'Rates':
    """Return what was recorded up to a step."""
    past = self.steps <= step
    return self._replace(steps=self.steps[past], rates=self.rates[past])


NONE = Rates(np.empty(0), np.empty(0))


def recorded(folder: pathlib.Path) -> Rates:
  """Return the learning rates that a trial has recorded, if any."""
  whole = _whole(folder)
  try:
    text = plain(folder / layout.SCALARS, LONGEST).read_text(encoding='utf-8')
    rows = list(csv.DictReader(text.splitlines()))
    found = [(float(row[columns.STEP]), float(row[RATE])) for row in rows]
  except (OSError, Damage, ValueError, KeyError, TypeError, csv.Error):
    return NONE._replace(whole=whole)  # No schedule is known: no harm.
  steps, rates = np.array(found).reshape(-1, 2).T
  keep = np.isfinite(steps) & np.isfinite(rates)
  return Rates(steps[keep], rates[keep], whole)


def _whole(folder: pathlib.Path) -> WholeSchedule | None:
  """Return the schedule that a trial intends; None if it says none."""
  try:
    return schedules.parse(
      storage.read_json(plain(folder / layout.SCHEDULE, LONGEST))
    )
  except (OSError, ValueError, LookupError, TypeError, AttributeError):
    return None


def foreseen(known: Rates, last: int) -> np.ndarray | None:
  """Return the rates of steps 1 to `last` as shares of the peak, or None.

  Args:
    known: The recorded rates.
    last: Number of steps of the trial.
  """
  steps, rates = known.steps, known.rates
  if known.whole is not None:
    return _intended(known.whole, steps, rates, last)
  if len(steps) < LEAST or not rates.max() > 0:
    return None
  rates = rates / rates.max()
  peak = int(rates.argmax())
  peak += int((rates[peak:] > 1 - 1e-6).sum()) - 1  # The last step at the peak.
  later, falling = steps[peak:], rates[peak:]
  if len(later) < LEAST or falling[-1] > FALLEN:
    return None
  fits = []
  for name, form in FORMS.items():
    spans = HORIZONS * last - steps[peak]
    spans = spans[spans > 0]
    if not spans.size:
      return None
    ways = np.clip((later - steps[peak]) / spans[:, None], 0, 1)
    misfits = np.sqrt(((form(ways) - falling) ** 2).mean(axis=1))
    at = int(misfits.argmin())
    fits.append((float(misfits[at]), name, float(spans[at])))
  (misfit, name, span), other = sorted(fits)[:2]
  if misfit > CLOSEST or other[0] < CLEARER * misfit:
    return None
  every = np.arange(1, last + 1)
  rest = FORMS[name](np.clip((every - steps[peak]) / span, 0, 1))
  past = np.interp(every, steps, rates)
  return np.where(every <= steps[-1], past, rest)


def _intended(
  whole: WholeSchedule, steps: np.ndarray, rates: np.ndarray, last: int
) -> np.ndarray | None:
  """Return the rates that a trial intends, if it has kept to them so far.

  Args:
    whole: The schedule that it intends.
    steps: Steps with recorded rates, [N].
    rates: The rates, [N].
    last: Number of steps of the trial.
  """
  if steps.size:
    said = np.interp(steps, whole.steps, whole.rates)
    peak = float((rates * said).sum()) / max(float((said**2).sum()), TINY)
    if not peak > 0:
      return None
    if np.sqrt(((rates / peak - said) ** 2).mean()) > KEPT:
      return None
  return np.interp(np.arange(1, last + 1), whole.steps, whole.rates)


FORMS = {
  'cosine': lambda way: (1 + np.cos(math.pi * way)) / 2,
  'linear': lambda way: 1 - way,
}
