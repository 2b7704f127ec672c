"""Numbers of tables as text: correlations with their intervals."""

import math

import numpy as np

from tests.support import redrawn


def doubt(scores: np.ndarray) -> str:
  """Return two cells: mean width of intervals, and pairs told apart."""
  width, sure = redrawn.apart(scores)
  return f'{short(width)} | {100 * sure:.0f} %'


def interval(values: np.ndarray) -> str:
  """Return the 90 % interval of draws in print; – if all are NaN."""
  known = values[np.isfinite(values)]
  if not known.size:
    return '–'
  low, high = np.quantile(known, redrawn.EDGES)
  return f'{short(low)} to {short(high)}'


def middle(values: np.ndarray) -> str:
  """Return the median in print; – if all are NaN."""
  known = values[np.isfinite(values)]
  return short(float(np.median(known))) if known.size else '–'


def typical(values: np.ndarray) -> str:
  """Return the median and the 90 % interval in print."""
  return f'{middle(values)} ({interval(values)})'


def ends(values) -> str:
  """Return the least and the greatest number in print; – if all are NaN."""
  known = [value for value in values if math.isfinite(value)]
  return f'{short(min(known))} to {short(max(known))}' if known else '–'


def short(value: float) -> str:
  """Return a number with two decimals, such as −.07, or – for NaN."""
  if math.isnan(value):
    return '–'
  text = f'{abs(value):.2f}'
  sign = '−' if value < 0 and float(text) else ''
  return sign + text.removeprefix('0')
