"""Format numbers for people."""

import math

from runner.protocol import quantities


def seconds(value: float) -> str:
  """Format seconds with three or four digits; from 36000 s on in hours."""
  if not math.isfinite(value):
    return '–'
  if value >= 36000:
    return f'{value / 3600:.1f} h'
  if value >= 1000:
    return f'{value:,.0f} s'.replace(',', '\u202f')
  return f'{value:.1f} s' if value >= 10 else f'{value:.2f} s'


EFFORTS = {'seconds': 'charged seconds', 'steps': 'steps'}


def effort(value: float, unit: str) -> str:
  """Format an effort to the target.

  Args:
    value: The effort.
    unit: 'seconds' or 'steps'.
  """
  if unit == 'seconds':
    return seconds(value)
  if not math.isfinite(value):
    return '–'
  return f'{value:,.0f} steps'.replace(',', '\u202f')


def metric(value: float, target: float | None = None) -> str:
  """Format a metric with four significant digits.

  More digits follow if the value would otherwise look equal to the target, or
  on the other side of the target.

  Args:
    value: The metric's value.
    target: The target that the value is compared with, if any.
  """
  if not math.isfinite(value):
    return '–'
  digits = 4
  while (text := _metric(value, digits)) and digits < 17:
    shown = float(text)
    if target is None or value == target:
      break
    if shown != target and (shown < target) == (value < target):
      break
    digits += 1
  return text


def _metric(value: float, digits: int) -> str:
  size = abs(value)
  if size >= 1e5 or 0 < size < 1e-4:
    return f'{value:.{digits - 1}g}'
  places = digits - (1 + math.floor(math.log10(size)) if size else 1)
  return f'{value:.{min(digits + 1, max(0, places))}f}'


def ratio(value: float) -> str:
  """Format a ratio to the fastest time, such as '1.25×'."""
  return f'{value:.2f}×' if math.isfinite(value) else '–'


def score(value: float) -> str:
  """Format a score with four decimals."""
  return f'{value:.4f}'


def interval(ends: tuple[float, float] | None) -> str:
  """Format the interval of a score."""
  return f'{ends[0]:.3f} – {ends[1]:.3f}' if ends else '–'


def share(value: float) -> str:
  """Format a share as a percentage with two digits."""
  percent = 100 * value
  return f'{percent:.0f} %' if percent >= 10 else f'{percent:.2g} %'


def hyperparameters(values: dict) -> list[tuple[str, str]]:
  """Return names and values as text; floats have six significant digits."""
  return [
    (str(k), f'{v:.6g}' if isinstance(v, float) else str(v))
    for k, v in values.items()
  ]


def size(count: float) -> str:
  """Format bytes with three digits, in units of powers of 1000."""
  for unit in ('B', 'kB', 'MB', 'GB', 'TB'):
    if count < 999.5 or unit == 'TB':  # 999.5 would round to 1000.
      break
    count /= 1000
  return f'{quantities.plain(count, 3)} {unit}'
