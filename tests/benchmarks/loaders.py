"""Compare loaders of examples, in seconds of a core."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

ROUNDS = 3


def compare(
  loaders: dict[str, Callable[[], Iterator[Any]]], size: int, examples: str
) -> None:
  """Print a table of rates, and of ratios to the first loader's rate.

  Args:
    loaders: Functions that return a new iterator of batches.
    size: Batch size.
    examples: Noun for the examples, in plural.
  """
  seconds = {name: [] for name in loaders}
  for _ in range(ROUNDS):
    for name, begin in loaders.items():
      seconds[name].append(spent(begin()))
  print(f'| loader | {examples} per second of a core | of ours (least, most) |')
  print('|---|---|---|')
  first = next(iter(seconds.values()))
  for name, own in seconds.items():
    ratios = sorted(a / b for a, b in zip(first, own, strict=True))
    middle, rate = statistics.median(ratios), size / statistics.median(own)
    print(
      f'| {name} | {rate:.0f} | {middle:.2f} '
      f'({ratios[0]:.2f}, {ratios[-1]:.2f}) |'
    )


def spent(steps: Iterator[Any]) -> float:
  """Return the core's mean seconds per batch, without the first batch."""
  next(steps)
  began = time.process_time()  # Counts all threads.
  count = sum(1 for _ in steps)
  return (time.process_time() - began) / count
