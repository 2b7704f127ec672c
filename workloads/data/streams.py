"""Sources that read and decode records when they are drawn.

These sources serve datasets that do not fit into memory. Threads share the
examples of a batch; the decoders (JPEG, FLAC, FFTs, numpy) release Python's
lock. Each example has its own random numbers, seeded by its position in the
stream or its number in the split. The number of threads changes no result.
"""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from workloads.batches import stream
from workloads.data.manifest import DataError
from workloads.data.threads import cores, pool
from workloads.workload import Packing

Row = dict[str, np.ndarray]  # Arrays of one example.
# decode(record, rng) = row. The rng is None outside of training.
Decode = Callable[[dict[str, Any], np.random.Generator | None], Row]
# mix(rows of a batch, rng of the batch) = new rows.
Mix = Callable[[Row, np.random.Generator], Row]
CHUNK = 4  # Records per task of a thread.
EXAMPLE, BATCH = 2, 3  # Kinds of random numbers; see _rng.


class Records(Protocol):
  """Records of one split, read by number."""

  def __len__(self) -> int: ...

  def __getitem__(self, numbers: Sequence[int]) -> list[dict[str, Any]]: ...

  def where(self, number: int) -> str:
    """Return the file and position of a record, for messages."""
    ...


@dataclasses.dataclass(frozen=True)
class Stored:
  """A source of all records of a split, in their order."""

  records: Records
  decode: Decode
  mix: Mix | None = None  # Mixes one host's share of a batch.
  # True repeats an example's random numbers in every epoch: their seed is the
  # example's number instead of the position in the stream.
  same_again: bool = False
  threads: int | None = None  # One per core if None.
  packing: Packing | None = None  # See workload.Packed.
  ahead: ClassVar[int] = 2

  def __len__(self) -> int:
    return len(self.records)

  def __getitem__(self, indices) -> Row:  # pyrefly: ignore
    return self._rows(indices, [None] * len(indices))

  def draw(self, seed: int, first: int, count: int) -> Row:
    """See workload.Drawn."""
    numbers = stream(len(self), seed, first, count)
    own = numbers if self.same_again else range(first, first + count)
    rngs = [_rng(seed, int(n), EXAMPLE) for n in own]
    rows = self._rows(numbers, rngs)
    if self.mix is None:
      return rows
    return self.mix(rows, _rng(seed, first, BATCH))

  def _rows(self, indices, rngs: Sequence[np.random.Generator | None]) -> Row:
    batch: Row = {}
    lock = threading.Lock()

    def fill(start: int) -> None:
      # Threads also copy the results: 256 utterances are 650 MB.
      part = slice(start, start + CHUNK)
      rows = self._decoded(indices[part], rngs[part])
      with lock:
        if not batch:  # The first decoded example defines the shapes.
          batch.update(
            (name, np.empty((len(indices), *x.shape), x.dtype))
            for name, x in rows[0].items()
          )
      for n, row in enumerate(rows, start):
        for name, values in row.items():
          batch[name][n] = values

    threads = pool(self.threads or cores())
    for _ in threads.map(fill, range(0, len(indices), CHUNK)):
      pass
    return batch

  def _decoded(self, indices, rngs) -> list[Row]:
    numbers = [int(i) for i in indices]
    rows = []
    records = self.records[numbers]
    for number, record, rng in zip(numbers, records, rngs, strict=True):
      try:
        rows.append(self.decode(record, rng))
      except Exception as error:  # Damaged records raise many types.
        raise DataError(
          f'{self.records.where(number)} cannot be decoded: '
          f'{type(error).__name__} {error}. Prepare the dataset again.'
        ) from error
    return rows


def _rng(seed: int, number: int, kind: int) -> np.random.Generator:
  # The kind is last and not zero, since numpy ignores zeros at the end of a
  # seed, and (seed, epoch) is the seed of an epoch's order.
  return np.random.default_rng([seed, number, kind])
