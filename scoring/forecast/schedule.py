"""Learning rates of a trial to its end, from those that it has recorded.

What is known: our runner writes the rate of every few steps into
measurements.csv (`learning_rate`), if the submission gave its schedule to
`from_optax`. These are the rates so far; the rest of the schedule is not
recorded. A past that fits a warmup and a cosine or linear decay, and no other
form, tells the rest. A rate that has not fallen yet tells nothing: it may stay
constant, or fall at the end. Nor is a rate known that a submission adapts by
what it observes, or keeps in its own state: its record is a factor only.
AlgoPerf's logs have no rates.

What would have to be recorded to know all schedules: the rates of all steps
until the step budget, when a trial begins, for example in trial.json.
"""

import csv
import math
import pathlib
from typing import NamedTuple

import numpy as np

from runner.protocol import columns, layout
from scoring.load.safe_files import LONGEST, Damage, plain

RATE = 'learning_rate'
FALLEN = 0.97  # The rate must have fallen below this share of its peak.
CLOSEST = 0.005  # Largest root-mean-square misfit, as a share of the peak.
CLEARER = 2.0  # Another form must fit this many times worse.
LEAST = 6  # Recorded rates after the peak.
HORIZONS = np.linspace(0.4, 1.5, 111)  # Ends of decays, as shares of the steps.


class Rates(NamedTuple):
  """Learning rates that a trial has recorded."""

  steps: np.ndarray  # Steps with recorded rates, increasing, [N].
  rates: np.ndarray  # Their rates, [N].

  def __bool__(self) -> bool:
    return self.steps.size > 0

  def until(self, step: float) -> 'Rates':
    """Return what was recorded up to a step."""
    past = self.steps <= step
    return Rates(self.steps[past], self.rates[past])


NONE = Rates(np.empty(0), np.empty(0))


def recorded(folder: pathlib.Path) -> Rates:
  """Return the learning rates that a trial has recorded, if any."""
  try:
    text = plain(folder / layout.SCALARS, LONGEST).read_text(encoding='utf-8')
    rows = list(csv.DictReader(text.splitlines()))
    found = [(float(row[columns.STEP]), float(row[RATE])) for row in rows]
  except (OSError, Damage, ValueError, KeyError, TypeError, csv.Error):
    return NONE  # Without rates, no schedule is known: no harm.
  steps, rates = np.array(found).reshape(-1, 2).T
  keep = np.isfinite(steps) & np.isfinite(rates)
  return Rates(steps[keep], rates[keep])


def foreseen(known: Rates, last: int) -> np.ndarray | None:
  """Return the rates of steps 1 to `last` as shares of the peak, or None.

  Args:
    known: The recorded rates.
    last: Number of steps of the trial.
  """
  steps, rates = known.steps, known.rates
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


FORMS = {
  'cosine': lambda way: (1 + np.cos(math.pi * way)) / 2,
  'linear': lambda way: 1 - way,
}
