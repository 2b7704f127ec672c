"""Training data on their way to the devices."""

from collections.abc import Iterator

import jax
import numpy as np

from runner import devices
from runner.clock import Clock
from workloads import batches
from workloads.workload import Batch, Source


class Feed:
  """The endless stream of training examples, and how much of it was drawn.

  What a submission draws is counted here and nowhere else, so a step is a
  training batch that was drawn. Batches are made when they are drawn: the
  devices have work meanwhile, since steps are dispatched ahead of them, and a
  thread would only take turns with it on a small machine.

  Attributes:
    steps: Batches drawn so far.
    examples: Examples drawn so far: the position in the stream.
  """

  def __init__(self, source: Source, seed: int, clock: Clock):
    self._source = source
    self._seed = seed
    self._clock = clock
    self.steps = 0
    self.examples = 0

  def __call__(self, size: int, stack: int = 1) -> Iterator[Batch]:
    """As submissions.submission.Batches."""
    devices.check_divides(size)
    while True:
      with self._clock.account('data'):
        batch = self._make(size, stack)
      self.steps += stack
      self.examples += stack * size
      yield batch

  def _make(self, size: int, stack: int) -> Batch:
    count = size * stack
    rows = batches.train_batch(self._source, self._seed, self.examples, count)
    if stack == 1:
      return devices.split(rows)
    stacked = jax.tree.map(
      lambda x: np.reshape(x, (stack, size, *x.shape[1:])), rows
    )
    return devices.split(stacked, stacked=True)
