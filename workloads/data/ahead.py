"""Batches that a thread makes before they are drawn."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

from workloads.data import threads

T = TypeVar('T')


class Place(NamedTuple):
  """Place in the stream of examples."""

  first: int  # First example.
  size: int  # Examples in a batch.
  stack: int = 1  # Batches.

  def after(self, number: int) -> 'Place':
    """Return the place of the same size that is `number` places later."""
    return self._replace(first=self.first + number * self.size * self.stack)

  def each(self) -> Iterator['Place']:
    """Yield the place of every batch."""
    for number in range(self.stack):
      yield Place(self.first + number * self.size, self.size)


class Ahead(Generic[T]):
  """Maker of what lies at places that are probably asked for in order.

  Args:
    make: Makes what lies at a place; runs in a thread.
    most: Number of places to make in advance; 0 makes nothing in a thread.
    most_bytes: Bytes to hold in advance. A place that alone has more is made
      when it is asked for. None: no limit.
    nbytes: Returns the bytes of what was made.
  """

  def __init__(
    self,
    make: Callable[[Place], T],
    most: int,
    most_bytes: int | None = None,
    nbytes: Callable[[T], int] = lambda made: 0,
  ):
    self._make = make
    self._most = most
    self._most_bytes = most_bytes
    self._nbytes = nbytes
    self._thread = threads.executor(1, 'feed')
    self._coming: dict[Place, Future[T]] = {}

  def __call__(self, place: Place) -> T:
    """Return what lies at a place; start to make the following places.

    Raises:
      Exception: Any exception of `make` at this place.
    """
    if not self._most:
      return self._make(place)
    following = [place.after(n) for n in range(1, 1 + self._most)]
    for other in self._coming.keys() - {place, *following}:
      self._coming.pop(other).cancel()  # Another size, or another place.
    self._order(place)
    made = self._coming.pop(place).result()
    for one in following[: self._fitting(made)]:
      self._order(one)
    return made

  def _order(self, place: Place) -> None:
    if place not in self._coming:
      self._coming[place] = self._thread.submit(self._make, place)

  def _fitting(self, made: T) -> int:
    """Return how many places like this may be held in advance."""
    each = self._nbytes(made)
    if self._most_bytes is None or not each:
      return self._most
    return self._most_bytes // each
