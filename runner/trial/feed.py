"""Training batches for a submission, counted and put on the devices."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from runner.protocol.timing import accounts
from runner.trial import devices
from runner.trial.clock import Clock
from workloads import batches
from workloads.data.ahead import Ahead, Place
from workloads.workload import Batch, Drawn, Packed, Packing, Source

AHEAD = 2  # Least number of dispatches whose batches an accelerator holds.
AHEAD_BYTES = 1 << 31  # Most bytes of these batches, per host.


class Ready(NamedTuple):
  """Batches of one dispatch, on the devices."""

  batch: Batch  # [B, ...] or [stack, B, ...]; packed if the source has that.
  nbytes: int  # Bytes of this host's part.


class Feed:
  """The endless stream of training examples, with a count of drawn batches.

  A step is a training batch that a submission has drawn; only this class counts
  steps. Batches count when they are drawn. Every host makes the rows of its own
  devices.

  On a CPU, batches from memory are made when they are drawn: steps are
  dispatched ahead, so the devices have work meanwhile, and a thread would
  compete for the processors of a small machine. A thread makes batches that
  must be read and decoded, as many ahead as the source says.

  On an accelerator, a thread makes all batches and puts them on the devices
  before they are drawn. A step gets arrays that are where it needs them. Images
  of bytes travel as bytes, and the devices scale them.

  Attributes:
    steps: Batches drawn so far.
    examples: Examples drawn so far: the position in the stream.

  Args:
    source: The training examples.
    seed: Seed of the order of examples.
    clock: The trial's clock. Making batches is charged to 'data'; of batches
      that a thread makes, only the wait.
  """

  def __init__(self, source: Source, seed: int, clock: Clock):
    self._source = source
    self._seed = seed
    self._clock = clock
    self.steps = 0
    self.examples = 0
    self._packing: Packing | None = None
    self._ahead: Ahead[Any]
    ahead = source.ahead if isinstance(source, Drawn) else 0
    if devices.accelerated():
      if isinstance(source, Packed):
        self._packing = source.packing
      self._draw = self._from_devices
      self._ahead = Ahead(
        self._ready, max(AHEAD, ahead), AHEAD_BYTES, lambda made: made.nbytes
      )
    else:
      self._draw = self._from_host
      self._ahead = Ahead(self._rows, ahead)
    if self._packing:
      self._source = self._packing.source
      self._unpack = _unpacking(self._packing)

  def __call__(self, size: int, stack: int = 1) -> Iterator[Batch]:
    """Yield batches without end, see submissions.submission.Batches.

    Args:
      size: Number of examples of a batch.
      stack: Number of batches to stack; 1: no axis for steps.
    """
    devices.check_divides(size)
    while True:
      with self._clock.account(accounts.DATA):
        batch = self._draw(Place(self.examples, size, stack))
      yield batch

  def first(self, size: int, stack: int = 1) -> Iterator[Batch]:
    """Yield the first batch of the stream again and again, see `__call__`.

    Args:
      size: Number of examples of a batch.
      stack: Number of batches to stack; 1: no axis for steps.
    """
    while True:
      self.steps = self.examples = 0
      yield next(self(size, stack))

  def _from_host(self, place: Place) -> Batch:
    """Return batches that are stacked and put on the devices here."""
    parts = []
    for one in place.each():
      parts.append(self._ahead(one))
      self._count(one)
    return devices.split(_stacked(parts), stacked=place.stack > 1)

  def _from_devices(self, place: Place) -> Batch:
    """Return batches that a thread has put on the devices."""
    made = self._ahead(place)
    self._count(place)
    if self._packing is None:
      return made.batch
    # Not in the thread: all hosts must start their programs in the same order.
    return self._unpack(place.stack > 1)(made.batch)

  def _count(self, place: Place) -> None:
    """Count drawn batches."""
    self.steps += place.stack
    self.examples += place.size * place.stack

  def _rows(self, place: Place) -> Batch:
    """Return this host's rows of one batch."""
    rows = devices.rows(place.size)
    return batches.train_batch(
      self._source,
      self._seed,
      place.first + rows.start,
      rows.stop - rows.start,
    )

  def _ready(self, place: Place) -> Ready:
    """Make the batches of a dispatch, and start to copy them to the devices."""
    rows = _stacked([self._rows(one) for one in place.each()])
    nbytes = sum(x.nbytes for x in rows.values())
    batch = devices.split(rows, stacked=place.stack > 1)
    return Ready(batch, nbytes)


def _stacked(parts: list[Batch]) -> Batch:
  if len(parts) == 1:
    return parts[0]
  return {name: np.stack([one[name] for one in parts]) for name in parts[0]}


def _unpacking(packing: Packing) -> Callable[[bool], Callable[[Batch], Batch]]:
  """Return a function from 'is it stacked' to the compiled unpacking."""

  @functools.cache
  def compiled(stacked: bool):
    unpack = _on_all_hosts(packing.unpack)
    return jax.jit(
      jax.vmap(unpack) if stacked else unpack,
      out_shardings=devices.splitting(stacked),
    )

  return compiled


def _on_all_hosts(
  unpack: Callable[[Batch], Batch],
) -> Callable[[Batch], Batch]:
  """Return a function that unpacks every host's rows of a batch apart."""
  hosts = jax.process_count()
  if hosts == 1:
    return unpack

  def unpacked(batch: Batch) -> Batch:
    parts = jax.tree.map(lambda x: x.reshape(hosts, -1, *x.shape[1:]), batch)
    made = jax.vmap(unpack)(parts)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), made)

  return unpacked
