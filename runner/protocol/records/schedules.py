"""The file schedule.json: the learning rates of a whole trial."""

import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Any

MOST = 200  # Largest number of rates of a schedule.


@dataclasses.dataclass(frozen=True, kw_only=True)
class WholeSchedule:
  """Rates that a trial intends, thinned.

  Attributes:
    steps: Steps, counted from 1, increasing.
    rates: Learning rates at these steps, as shares of the largest one.
  """

  steps: tuple[int, ...]
  rates: tuple[float, ...]

  def to_json(self) -> dict[str, Any]:
    """Return the table that `parse` turns back into this schedule."""
    return {'steps': list(self.steps), 'rates': list(self.rates)}


def parse(table: Mapping[str, Any]) -> WholeSchedule:
  """Return the schedule in a table as JSON holds it.

  Raises:
    LookupError, TypeError, ValueError: the table is no schedule.
  """
  steps = tuple(map(int, table['steps']))
  rates = tuple(map(float, table['rates']))
  rising = all(a < b for a, b in itertools.pairwise(steps))
  if not steps or len(steps) != len(rates) or not rising:
    raise ValueError('steps and rates must be of one length, and steps rise')
  if not all(map(math.isfinite, rates)):
    raise ValueError('rates must be finite')
  return WholeSchedule(steps=steps, rates=rates)
