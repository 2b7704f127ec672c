"""Training data on their way to the devices."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np

from runner.trial import devices
from runner.trial.clock import Clock
from workloads import batches
from workloads.data import threads
from workloads.workload import Batch, Drawn, Source


class Place(NamedTuple):
  """Of a batch in the stream."""

  first: int
  size: int


class Feed:
  """The endless stream of training examples, and how much of it was drawn.

  What a submission draws is counted here and nowhere else, so a step is a
  training batch that was drawn. Batches that lie in memory are made when they
  are drawn: the devices have work meanwhile, since steps are dispatched ahead
  of them, and a thread would only take turns with it on a small machine. What
  must be read and decoded is made by a thread, as many batches ahead as the
  source says; of these none is counted before it is drawn. Of several hosts,
  each makes the rows of its own devices.

  Attributes:
    steps: Batches drawn so far.
    examples: Examples drawn so far: the position in the stream.
    padding: Share of padding in the first batch drawn; None before.
  """

  def __init__(
    self,
    source: Source,
    seed: int,
    clock: Clock,
    padding: Callable[[Batch], float] = lambda batch: 0.0,
  ):
    self._measure = padding
    self._source = source
    self._seed = seed
    self._clock = clock
    self._ahead = source.ahead if isinstance(source, Drawn) else 0
    self._thread = threads.executor(1, 'feed')
    self._coming: dict[Place, Future[Batch]] = {}
    self.steps = 0
    self.examples = 0
    self.padding: float | None = None

  def __call__(self, size: int, stack: int = 1) -> Iterator[Batch]:
    """As submissions.submission.Batches."""
    devices.check_divides(size)
    while True:
      with self._clock.account('data'):
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
    """A batch from where the stream is; it goes on behind it."""
    place = Place(self.examples, size)
    if not self._ahead:
      batch = self._make(place)
    else:
      self._order(place)
      batch = self._coming.pop(place).result()
    if self.padding is None:  # Of one only: looking at speech takes a while.
      with self._clock.account('record'):
        self.padding = float(self._measure(batch))
    self.steps += 1
    self.examples += size
    return batch

  def _order(self, place: Place) -> None:
    """Has this batch and those behind it made, and no others."""
    wanted = [
      Place(place.first + n * place.size, place.size)
      for n in range(1 + self._ahead)
    ]
    for other in self._coming.keys() - set(wanted):
      self._coming.pop(other).cancel()  # Of another size, or from before.
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
