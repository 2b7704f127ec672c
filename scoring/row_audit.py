"""Check that evaluations of one trial are possible, and that clocks agree."""

import math
from collections.abc import Iterator

import numpy as np

from runner.protocol import columns
from runner.protocol.quantities import apart
from runner.protocol.suites import metrics
from runner.protocol.timing.accounts import Charges
from scoring.clock_audit import CLOSE

Rows = list[dict[str, str]]  # By column, as the file has them.


def impossible(rows: Rows) -> Iterator[str]:
  """Check that every metric of every split has a possible value.

  Columns are checked as a whole; only one with a fault is looked at row by row.

  Args:
    rows: The evaluations.

  Raises:
    ValueError: a row has more fields than the header, or a field is no number.
  """
  if any(None in row for row in rows):
    raise ValueError('a row has more fields than the header')
  for name in rows[0] if rows else ():
    fields = [row[name] for row in rows]
    metric = name.partition('/')[2]
    if not ''.join(fields).isascii():  # Python reads the digits of all scripts.
      for row in rows:
        if not row[name].isascii():
          yield (
            f'At step {row[columns.STEP]}, {name} = {row[name]!r} has '
            'non-ASCII characters.'
          )
    elif metric in metrics.RANGES:
      numbers = list(filter(math.isfinite, map(float, filter(None, fields))))
      ends = (min(numbers), max(numbers)) if numbers else ()
      if not all(metrics.possible(metric, end) for end in ends):
        yield from _each(rows, name, metric)


def _each(rows: Rows, name: str, metric: str) -> Iterator[str]:
  """Yield a doubt for each value that the metric cannot have."""
  for row in rows:
    value = float(row[name] or math.nan)
    if math.isfinite(value) and not metrics.possible(metric, value):
      yield (
        f'At step {row[columns.STEP]}, {name} = {row[name]}, but {metric} is '
        f'always {metrics.range_of(metric)}.'
      )


def clocks(rows: Rows, charges: Charges) -> Iterator[str]:
  """Check that steps and times rise, and that times add up.

  Args:
    rows: The evaluations.
    charges: What the suite charges.

  Raises:
    LookupError, ValueError: a number is missing.
  """
  if not rows:
    return
  rising = {
    name: np.array([float(row[name]) for row in rows])
    for name in columns.RISING
    if name in rows[0]
  }
  for name, numbers in rising.items():
    before, now = numbers[:-1], numbers[1:]
    wrong = now <= before if name == columns.STEP else now < before
    for at in wrong.nonzero()[0]:
      yield (
        f'{name} must rise, but goes from {rows[at][name]} to '
        f'{rows[at + 1][name]}.'
      )
  charged = np.array([float(row[columns.SECONDS]) for row in rows])
  once, spent = np.zeros((2, len(rows)))
  with np.errstate(over='ignore'):  # Numbers of others may be huge.
    for name in (columns.TRACE, *[columns.COMPILE] * charges.compiling):
      once += _column(rows, name)
    for name in columns.RISING[1:4]:
      spent += rising.get(name, 0.0)
  for at in (once > charged * (1 + CLOSE)).nonzero()[0]:
    yield (
      f'At step {rows[at][columns.STEP]}, seconds of compilation exceed '
      'charged seconds.'
    )
  whole = _column(rows, columns.TOTAL, missing=math.inf)  # Any sum is possible.
  for at in (whole < spent * (1 - CLOSE)).nonzero()[0]:
    part, total = apart(float(spent[at]), float(whole[at]))
    yield (
      f'At step {rows[at][columns.STEP]}, the accounts sum to {part} s, more '
      f'than the {total} s in all.'
    )


def _column(rows: Rows, name: str, missing: float = 0.0) -> np.ndarray:
  """Return a column's numbers."""
  return np.array([float(row.get(name) or missing) for row in rows])
