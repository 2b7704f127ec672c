"""What metrics can be: a value outside of its metric's range is damage.

The standard library only: scoring and rules read it without JAX.
"""

import math

# Least and largest value by metric, over all workloads here. Losses are means
# of cross-entropies, of CTC losses and of absolute errors.
RANGES = {
  'accuracy': (0.0, 1.0),
  'bleu': (0.0, 100.0),
  'ctc_loss': (0.0, math.inf),
  'error_rate': (0.0, 1.0),
  'loss': (0.0, math.inf),
  'mean_average_precision': (0.0, 1.0),
  'ppl': (1.0, math.inf),  # The exponential of a loss.
  'ssim': (-1.0, 1.0),
  'wer': (0.0, math.inf),  # Words may be inserted without end.
}
SLACK = 1e-4  # Of rounding: sums of float32 numbers reach so far beyond.


def bounds(metric: str) -> tuple[float, float]:
  """Least and largest value of a metric; anything if it is not known here.

  Args:
    metric: Its name without the split: 'loss'.
  """
  return RANGES.get(metric, (-math.inf, math.inf))


def possible(metric: str, value: float) -> bool:
  """Whether the metric can have this value; of NaN, nobody can tell."""
  low, high = bounds(metric)
  return not (value < low - SLACK or value > high + SLACK)


def range_of(metric: str) -> str:
  """The range in words: 'between 0 and 1'."""
  low, high = bounds(metric)
  if math.isinf(high):
    return f'{low:g} or more'
  return f'between {low:g} and {high:g}'
