"""Training data on their way to the devices, made ahead in a thread."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator

import jax
import numpy as np

from runner import devices
from runner.clock import Clock
from workloads import batches
from workloads.workload import Batch, Source

AHEAD = 2  # Batches, or stacks of them, waiting to be drawn.


class Feed:
  """The endless stream of training examples, and how much of it was drawn.

  What a submission draws is counted here and nowhere else, so a step is a
  training batch that was drawn. Made-ahead batches that nobody drew don't
  count, and are made again after a resume: the stream is a pure function.

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
    make = self._single if stack == 1 else self._stack
    ahead = _made_ahead(make, size, stack, self.examples)
    try:
      while True:
        with self._clock.account('data'):
          batch = next(ahead)
        self.steps += stack
        self.examples += stack * size
        yield batch
    finally:
      ahead.close()

  def _single(self, first: int, size: int, stack: int) -> Batch:
    del stack
    batch = batches.train_batch(self._source, self._seed, first, size)
    return devices.split(batch)

  def _stack(self, first: int, size: int, stack: int) -> Batch:
    many = batches.train_batch(self._source, self._seed, first, size * stack)
    return devices.split(
      jax.tree.map(lambda x: np.reshape(x, (stack, size, *x.shape[1:])), many),
      stacked=True,
    )


def _made_ahead(
  make: Callable[[int, int, int], Batch], size: int, stack: int, first: int
) -> Generator[Batch]:
  """Batches in order, the next few made by a thread meanwhile."""
  made: queue.Queue = queue.Queue(AHEAD)
  over = threading.Event()

  def work() -> None:
    position = first
    while not over.is_set():
      try:
        item = make(position, size, stack)
      except Exception as error:
        item = error
      _put(made, item, over)
      position += size * stack

  thread = threading.Thread(target=work, name='feed', daemon=True)
  thread.start()
  try:
    while True:
      item = made.get()
      if isinstance(item, Exception):
        raise item
      yield item
  finally:
    over.set()
    thread.join()


def _put(made: queue.Queue, item, over: threading.Event) -> None:
  while not over.is_set():
    try:
      made.put(item, timeout=0.1)
    except queue.Full:
      continue
    return
