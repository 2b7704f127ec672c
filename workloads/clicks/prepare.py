"""Builder of Criteo's click logs: 4.4 billion lines of 24 days.

TFDS does not have them, and a record an example would be 100 billion features
in Python. Every day is parsed by a process of its own into one file of rows
(rows.py), so that as many days as there are cores are prepared at once, and a
preparation that was interrupted goes on with the days that are not there yet.
"""

import concurrent.futures
import gzip
import multiprocessing
import os
import pathlib
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workloads.clicks import parse, row_format
from workloads.clicks.row_format import DAYS, LINES, ROW
from workloads.data import folder
from workloads.data.catalogue import DATASETS
from workloads.data.manifest import DataError
from workloads.data.threads import cores

CHUNK = 2**18  # Bytes of text that are parsed at once: they fit into a cache.
PROGRESS = 60  # Seconds from one message to the next.
ENDS = ('.gz', '', '.csv')  # Of a whole day: as published, or unpacked.

_stop: Any = None  # An event, in the processes that write days.


class Criteo1TB:
  """As prepare.Builder."""

  name = 'criteo1tb'
  dataset = DATASETS[name]

  @classmethod
  def make(cls, data_dir, raw, tell):
    place = folder(cls.dataset, data_dir)
    left = [
      day for day in range(DAYS) if not row_format.path(place, day).exists()
    ]
    if left and raw is None:
      names = [file.name for file in cls.dataset.raw]
      raise cls.dataset.refusal(f'{names[0]} to {names[-1]}')
    files = {day: published(pathlib.Path(raw), day) for day in left}
    place.mkdir(parents=True, exist_ok=True)
    if left:
      tell(f'Parsing {len(left)} of {DAYS} days, {cores()} at once ...')
      _write_all(files, place, tell)

  @classmethod
  def finish(cls, place, tell):
    found = [
      row_format.count(row_format.path(place, day)) for day in range(DAYS)
    ]
    for day, (count, known) in enumerate(zip(found, LINES, strict=True)):
      if count != known:
        tell(f'Note: day {day} has {count:,} lines; published are {known:,}.')
    tell(f'Hashing {DAYS} files ...')
    test = row_format.tested(found[-1])
    return {
      'train': sum(found[:-1]), 'validation': found[-1] - test, 'test': test
    }  # fmt: skip

  @classmethod
  def holds(cls, place):
    return all(row_format.path(place, day).is_file() for day in range(DAYS))


def published(raw: pathlib.Path, day: int) -> list[pathlib.Path]:
  """Files of a day, in order: one, or those that AlgoPerf splits it into.

  Raises:
    DataError: there are none, or one is missing.
  """
  for end in ENDS:
    whole = raw / f'day_{day}{end}'
    if whole.is_file():
      return [whole]
  parts = sorted(raw.glob(f'day_{day}_[0-9][0-9]'))
  if not parts:
    raise DataError(
      f'{raw} has no day_{day}.gz. It must have {DAYS} days, each as it is '
      f'published (day_{day}.gz), unpacked (day_{day} or day_{day}.csv), or in '
      f'parts as AlgoPerf has it (day_{day}_00, day_{day}_01, ...).'
    )
  for number, part in enumerate(parts):
    wanted = raw / f'day_{day}_{number:02d}'
    if part != wanted:
      raise DataError(f'{wanted} is missing, and {part} is there.')
  return parts


def write(files: Sequence[pathlib.Path], target: pathlib.Path) -> None:
  """Writes the rows of a day, and gives them their name when all are there.

  Raises:
    DataError: a line or a file is damaged; names both.
  """
  partial = target.with_name(f'{target.name}.partial')
  with partial.open('wb') as out:
    for path in files:
      number = 1
      for text in _texts(path):
        if _stop is not None and _stop.is_set():
          return
        parsed = parse.parse(text, path, number)
        number += len(parsed)
        out.write(parsed.data)
      if number == 1:
        raise DataError(f'{path} is empty.')
    out.flush()
    os.fsync(out.fileno())
  partial.replace(target)


def _write_all(
  files: Mapping[int, Sequence[pathlib.Path]], place: pathlib.Path, tell
) -> None:
  """Writes days in processes; the first that fails stops all."""
  context = multiprocessing.get_context('spawn')
  stop = context.Event()
  executor = concurrent.futures.ProcessPoolExecutor(
    min(cores(), len(files)), context, _begin, (stop,)
  )
  with executor:
    left = {
      executor.submit(write, paths, row_format.path(place, day))
      for day, paths in files.items()
    }
    told = time.monotonic()
    try:
      while left:
        done, left = concurrent.futures.wait(
          left, PROGRESS, concurrent.futures.FIRST_COMPLETED
        )
        for future in done:
          future.result()
        if time.monotonic() > told + PROGRESS or not left:
          told = time.monotonic()
          tell(_progress(place))
    except BaseException:
      stop.set()
      executor.shutdown(cancel_futures=True)
      raise


def _begin(stop) -> None:
  """In a process that writes days, before the first."""
  global _stop  # noqa: PLW0603  Events reach processes as they start only.
  _stop = stop
  threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
  """A killed preparation leaves no writers, whom the next would meet."""
  parent: Any = multiprocessing.parent_process()
  parent.join()
  os._exit(1)


def _progress(place: pathlib.Path) -> str:
  written = sum(map(_size, place.iterdir())) // ROW.itemsize
  ready = sum(row_format.path(place, day).exists() for day in range(DAYS))
  return f'  {ready} of {DAYS} days, {written:,} of about {sum(LINES):,} lines'


def _size(path: pathlib.Path) -> int:
  try:
    return path.stat().st_size
  except FileNotFoundError:  # It was finished, and has another name.
    return 0


def _texts(path: pathlib.Path) -> Iterator[bytes]:
  """Whole lines, about a chunk at a time."""
  rest, number = b'', 1  # What has no end yet, and the number of its line.
  try:
    with gzip.open(path) if path.suffix == '.gz' else path.open('rb') as file:
      while block := file.read(CHUNK):
        whole, end, after = block.rpartition(b'\n')
        if not end and rest:
          break  # No line is that long.
        if end:
          text = rest + whole + end
          yield text
          number += text.count(b'\n')
        rest = after
  except (OSError, EOFError, zlib.error) as error:
    raise DataError(
      f'{path} is damaged in line {number} or soon after: {error}.'
    ) from error
  if rest:
    raise DataError(
      f'{path} ends within line {number}, or that line has no end. Get the '
      'file again.'
    )
