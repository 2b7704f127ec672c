"""Possible ranges of metrics: a value outside of its range is damage.

This module imports only the standard library: scoring reads it without JAX.
"""

import math

# Smallest and largest value by metric, over all workloads here. Losses are
# means of cross-entropies, of CTC losses and of absolute errors.
RANGES = {
  'accuracy': (0.0, 1.0),
  'bleu': (0.0, 100.0),
  'ctc_loss': (0.0, math.inf),
  'error_rate': (0.0, 1.0),
  'loss': (0.0, math.inf),
  'mean_average_precision': (0.0, 1.0),
  'ppl': (1.0, math.inf),  # Perplexity, the exponential of a loss.
  'ssim': (-1.0, 1.0),
  'wer': (0.0, math.inf),  # Above 1 if many words are inserted.
}
# Exponentials of losses: half of their way is half of the way of the loss.
EXPONENTIALS = ('ppl',)
# Values that a model has which answers nothing. Fresh models babble: their word
# error rates differ by factors between seeds, and the way back to there would
# be longer than the whole way of learning.
SILENT = {'wer': 1.0}
SLACK = 1e-4  # Tolerance for the rounding of float32 sums.


def bounds(metric: str) -> tuple[float, float]:
  """Return the smallest and largest value of a metric; ±inf if it is unknown.

  Args:
    metric: Name without the split, such as 'loss'.
  """
  return RANGES.get(metric, (-math.inf, math.inf))


def possible(metric: str, value: float) -> bool:
  """Test whether the metric can have this value; NaN passes."""
  low, high = bounds(metric)
  return not (value < low - SLACK or value > high + SLACK)


def beginning(metric: str, fresh: float) -> float:
  """Return where training begins, given the value of a fresh model.

  Args:
    metric: Name without the split, such as 'loss'.
    fresh: Value of a freshly initialised model.
  """
  return min(fresh, SILENT.get(metric, math.inf))


def toward(metric: str, target: float, start: float, share: float) -> float:
  """Return the value that lies a share of the way from target to start.

  The way of a perplexity is that of its logarithm, the loss. Otherwise a tenth
  of the way back to an untrained language model would be nearly all of its
  training, and a loss and its exponential would have different targets.

  Args:
    metric: Name without the split, such as 'loss'.
    target: The exact target.
    start: The metric where training begins.
    share: Share of the way, 0 for the target and 1 for the start.
  """
  if metric in EXPONENTIALS:
    return target * (start / target) ** share
  return target + share * (start - target)


def way(metric: str, target: float, start: float, value: float) -> float:
  """Return the share of the way from target to start at which a value lies.

  Undoes `toward`; infinite where target and start are equal, and the value is
  another one.

  Args:
    metric: Name without the split, such as 'loss'.
    target: The exact target.
    start: The metric where training begins.
    value: Value of the metric.
  """
  if metric in EXPONENTIALS:
    target, start, value = map(math.log, (target, start, value))
  if start == target:
    return math.inf if value != target else 0.0
  return (value - target) / (start - target)


def range_of(metric: str) -> str:
  """Return the range in words, such as 'between 0 and 1'."""
  low, high = bounds(metric)
  if math.isinf(high):
    return f'{low:g} or more'
  return f'between {low:g} and {high:g}'
