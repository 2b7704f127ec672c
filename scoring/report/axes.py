"""Compute scales, ticks and ranges of charts."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Tick = tuple[float, str]  # Position and label.


class Axis(NamedTuple):
  """Map from values (low to high) to pixels (start to end)."""

  low: float
  high: float
  start: float
  end: float
  log: bool = False

  def __call__(self, value: float) -> float:
    low, high = self.low, self.high
    if self.log:
      low, high, value = math.log(low), math.log(high), math.log(value)
    share = (value - low) / (high - low)
    # Values far beyond the axis only need coordinates outside of the chart.
    return self.start + min(9.0, max(-9.0, share)) * (self.end - self.start)

  def ticks(self, count: int = 4) -> list[float]:
    """Return about `count` round values on the axis."""
    steps = self._log_steps() if self.log else []
    if len(steps) >= 2:
      keep = math.ceil(len(steps) / (count + 1))
      return steps[::keep]
    step = _round_step((self.high - self.low) / count)
    first = math.ceil(self.low / step - 1e-9)
    last = math.floor(self.high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]

  def _log_steps(self) -> list[float]:
    """Return those of ..., 1, 2, 5, 10, ... that lie on the axis."""
    decades = range(
      math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1
    )
    steps = [n * 10.0**d for d in decades for n in (1, 2, 5)]
    return [s for s in steps if self.low <= s <= self.high]


def labelled(ticks: Sequence[float], unit: str = '') -> list[Tick]:
  """Label ticks with enough decimals to differ; the last has the unit."""
  step = min((b - a for a, b in itertools.pairwise(ticks)), default=1.0)
  decimals = max(0, -math.floor(math.log10(step) + 1e-9))
  found = [
    (
      t,
      f'{t:.0e}'.replace('e+0', 'e') if abs(t) >= 1e6 else f'{t:.{decimals}f}',
    )
    for t in ticks
  ]
  return [*found[:-1], (found[-1][0], found[-1][1] + unit)] if found else []


def times(axis: Axis, effort: str = 'seconds') -> list[Tick]:
  """Return ticks of an axis in seconds or steps; long times are in hours."""
  if effort == 'steps':
    return labelled(axis.ticks(), ' steps')
  if axis.high < 20_000:
    return labelled(axis.ticks(), ' s')
  hours = axis._replace(low=axis.low / 3600, high=axis.high / 3600)
  return [(3600 * t, text) for t, text in labelled(hours.ticks(), ' h')]


def interesting(
  curves: Sequence[np.ndarray], target: float | None, lower: bool
) -> tuple[float, float, bool]:
  """Return the range of values to draw, and whether to use a log scale.

  The start of a curve says little: a perplexity may start at the size of the
  vocabulary. So the first fifth of every curve may leave the picture. A curve
  that diverges may leave the picture, too.

  Args:
    curves: The finite values of every curve, in the order of time.
    target: The target, which is always in the range.
    lower: True if lower values are better.

  Returns:
    (low, high, log scale).
  """
  curves = [curve for curve in curves if curve.size]
  if not curves:
    middle = target or 0.0
    return middle - 1.0, middle + 1.0, False
  every = np.concatenate(curves)
  late = np.sort(np.concatenate([c[len(c) // 5 :] for c in curves]))
  best = every.min() if lower else every.max()
  worst = late[int(0.95 * (len(late) - 1))] if lower else late[len(late) // 20]
  ends = [float(best), float(worst)] + ([] if target is None else [target])
  low, high = min(ends), max(ends)
  # Accuracies end near 1, where a log scale would hide all changes.
  if lower and low > 0 and high / low > 5:
    pad = (high / low) ** 0.06
    return low / pad, high * pad, True
  pad = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
  return low - pad, high + pad, False


def _round_step(step: float) -> float:
  """Round a step up to 1, 2 or 5 times a power of ten."""
  size = 10.0 ** math.floor(math.log10(step))
  return next(n * size for n in (1, 2, 5, 10) if n * size >= step * 0.999)
