"""Numbers as people read them."""

import math


def seconds(value: float) -> str:
  """Three or four digits; longer times in hours."""
  if not math.isfinite(value):
    return '–'
  if value >= 36000:
    return f'{value / 3600:.1f} h'
  if value >= 1000:
    return f'{value:,.0f} s'.replace(',', '\u202f')
  return f'{value:.1f} s' if value >= 10 else f'{value:.2f} s'


def metric(value: float) -> str:
  """Four significant digits."""
  if not math.isfinite(value):
    return '–'
  size = abs(value)
  if size >= 1e5 or 0 < size < 1e-4:
    return f'{value:.3g}'
  digits = 4 - (1 + math.floor(math.log10(size)) if size else 1)
  return f'{value:.{min(5, max(0, digits))}f}'


def ratio(value: float) -> str:
  return f'{value:.2f}×' if math.isfinite(value) else '–'


def score(value: float) -> str:
  return f'{value:.4f}'


def interval(ends: tuple[float, float] | None) -> str:
  """Of a score."""
  return f'{ends[0]:.3f} – {ends[1]:.3f}' if ends else '–'


def share(value: float) -> str:
  """A part of one in percent, with two digits."""
  percent = 100 * value
  return f'{percent:.0f} %' if percent >= 10 else f'{percent:.2g} %'


def hyperparameters(values: dict) -> list[tuple[str, str]]:
  """Names and values; floats as short as they can be read back."""
  return [
    (str(k), f'{v:.6g}' if isinstance(v, float) else str(v))
    for k, v in values.items()
  ]


def size(count: float) -> str:
  """Of memory, from bytes, in powers of 1000."""
  for unit in ('B', 'kB', 'MB', 'GB', 'TB'):
    if count < 1000 or unit == 'TB':
      break
    count /= 1000
  return f'{count:.3g} {unit}'
