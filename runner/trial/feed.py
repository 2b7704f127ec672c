"""Training batches for a submission, counted and put on the devices."""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np

from runner.protocol import accounts
from runner.trial import devices
from runner.trial.clock import Clock
from workloads import batches
from workloads.data import threads
from workloads.workload import Batch, Drawn, Source


class Place(NamedTuple):
  """Place of a batch in the stream of examples."""

  first: int
  size: int


class Feed:
  """The endless stream of training examples, with a count of drawn batches.

  A step is a training batch that a submission has drawn; only this class counts
  steps. Batches from memory are made when they are drawn: steps are dispatched
  ahead, so the devices have work meanwhile, and a thread would compete for the
  processors of a small machine. A thread makes batches that must be read and
  decoded, as many ahead as the source says. These batches count when they are
  drawn. Every host makes the rows of its own devices.

  Attributes:
    steps: Batches drawn so far.
    examples: Examples drawn so far: the position in the stream.

  Args:
    source: The training examples.
    seed: Seed of the order of examples.
    clock: The trial's clock; making batches is charged to 'data'.
  """

  def __init__(self, source: Source, seed: int, clock: Clock):
    self._source = source
    self._seed = seed
    self._clock = clock
    self._ahead = source.ahead if isinstance(source, Drawn) else 0
    self._thread = threads.executor(1, 'feed')
    self._coming: dict[Place, Future[Batch]] = {}
    self.steps = 0
    self.examples = 0

  def __call__(self, size: int, stack: int = 1) -> Iterator[Batch]:
    """Yield batches without end, see submissions.submission.Batches.

    Args:
      size: Number of examples of a batch.
      stack: Number of batches to stack; 1: no axis for steps.
    """
    devices.check_divides(size)
    while True:
      with self._clock.account(accounts.DATA):
        rows = [self._next(size) for _ in range(stack)]
        if stack == 1:
          batch = devices.split(rows[0])
        else:
          stacked = {
            name: np.stack([r[name] for r in rows]) for name in rows[0]
          }
          batch = devices.split(stacked, stacked=True)
      yield batch

  def _next(self, size: int) -> Batch:
    """Return the next batch of the stream, and count it."""
    place = Place(self.examples, size)
    if not self._ahead:
      batch = self._make(place)
    else:
      self._order(place)
      batch = self._coming.pop(place).result()
    self.steps += 1
    self.examples += size
    return batch

  def _order(self, place: Place) -> None:
    """Start to make this batch and the following ones; cancel all others."""
    wanted = [
      Place(place.first + n * place.size, place.size)
      for n in range(1 + self._ahead)
    ]
    for other in self._coming.keys() - set(wanted):
      self._coming.pop(other).cancel()  # Batch of another size or place.
    for one in wanted:
      if one not in self._coming:
        self._coming[one] = self._thread.submit(self._make, one)

  def _make(self, place: Place) -> Batch:
    rows = devices.rows(place.size)
    return batches.train_batch(
      self._source,
      self._seed,
      place.first + rows.start,
      rows.stop - rows.start,
    )
