"""Sources of records that are read and decoded when they are drawn.

For datasets that do not fit into memory. Threads share the examples of a batch:
what decodes them (JPEG, FLAC, FFTs, numpy) lets other threads run meanwhile.
Each example has random numbers of its own, by its position in the stream or by
its number in the split, so that how many threads there are changes nothing.
"""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from workloads.batches import stream
from workloads.data.manifest import DataError
from workloads.data.threads import cores, pool

Row = dict[str, np.ndarray]  # Of one example.
# Of a record, and of random numbers in training, None elsewhere.
Decode = Callable[[dict[str, Any], np.random.Generator | None], Row]
# Of the rows of a batch and random numbers for it.
Mix = Callable[[Row, np.random.Generator], Row]
CHUNK = 4  # Records that a thread takes at once.
EXAMPLE, BATCH = 2, 3  # Streams of random numbers beside those of the order.


class Records(Protocol):
  """Of one split, read by number."""

  def __len__(self) -> int: ...

  def __getitem__(self, numbers: Sequence[int]) -> list[dict[str, Any]]: ...

  def where(self, number: int) -> str:
    """File and record in it, for messages."""
    ...


@dataclasses.dataclass(frozen=True)
class Stored:
  """A source of all records of a split, in their order."""

  records: Records
  decode: Decode
  mix: Mix | None = None  # Of what is drawn at once: a host mixes its share.
  # Whether an example has the same random numbers in every epoch: those of its
  # number and of the seed, not of its place in the stream.
  same_again: bool = False
  threads: int | None = None  # As many as there are cores.
  ahead: ClassVar[int] = 2

  def __len__(self) -> int:
    return len(self.records)

  def __getitem__(self, indices) -> Row:  # pyrefly: ignore
    return self._rows(indices, [None] * len(indices))

  def draw(self, seed: int, first: int, count: int) -> Row:
    """As workload.Drawn."""
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
      # Threads copy as well: 256 utterances are 650 MB.
      part = slice(start, start + CHUNK)
      rows = self._decoded(indices[part], rngs[part])
      with lock:
        if not batch:  # The first that is decoded tells shapes.
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
      except Exception as error:  # Whatever a damaged record makes of it.
        raise DataError(
          f'{self.records.where(number)} cannot be decoded: '
          f'{type(error).__name__} {error}.'
        ) from error
    return rows


def _rng(seed: int, number: int, kind: int) -> np.random.Generator:
  # The kind comes last: zeros at the end would change nothing, and the order
  # of an epoch is drawn from (seed, epoch).
  return np.random.default_rng([seed, number, kind])
