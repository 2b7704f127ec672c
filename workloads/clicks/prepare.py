"""Builder of Criteo's click logs, 4.4 billion lines of 24 days.

TFDS has no such dataset, and TFDS records would mean 100 billion features in
Python. One process per day parses its lines into one file of rows
(row_format.py); as many processes run as there are cores. An interrupted
preparation continues with the missing days.
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

CHUNK = 2**18  # Bytes of text parsed together; fit into the CPU cache.
PROGRESS = 60  # Seconds between two progress messages.
ENDS = ('.gz', '', '.csv')  # Suffixes of a day's file: published, unpacked.

_stop: Any = None  # Event that ends the processes that write days.


class Criteo1TB:
  """Builder of the dataset; see prepare.Builder."""

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
        tell(
          f'Note: day {day} has {count:,} lines; the published file has '
          f'{known:,}.'
        )
    tell(f'Hashing {DAYS} files ...')
    test = row_format.tested(found[-1])
    return {
      'train': sum(found[:-1]), 'validation': found[-1] - test, 'test': test
    }  # fmt: skip

  @classmethod
  def holds(cls, place):
    return all(row_format.path(place, day).is_file() for day in range(DAYS))


def published(raw: pathlib.Path, day: int) -> list[pathlib.Path]:
  """Return the files of a day in order: one, or several parts by AlgoPerf.

  Raises:
    DataError: A file is missing.
  """
  for end in ENDS:
    whole = raw / f'day_{day}{end}'
    if whole.is_file():
      return [whole]
  parts = sorted(raw.glob(f'day_{day}_[0-9][0-9]'))
  if not parts:
    raise DataError(
      f'{raw} has no day_{day}.gz. The folder must contain {DAYS} days: each '
      f'published (day_{day}.gz), unpacked (day_{day} or day_{day}.csv), or in '
      f"AlgoPerf's parts (day_{day}_00, day_{day}_01, ...). Download the "
      'missing days.'
    )
  for number, part in enumerate(parts):
    wanted = raw / f'day_{day}_{number:02d}'
    if part != wanted:
      raise DataError(
        f'{wanted} is missing, but {part} exists. Add the missing part.'
      )
  return parts


def write(files: Sequence[pathlib.Path], target: pathlib.Path) -> None:
  """Write the rows of a day to target.partial, and rename the complete file.

  Raises:
    DataError: A line or a file is damaged. The message names both.
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
        raise DataError(f'{path} is empty. Get the published file again.')
    out.flush()
    os.fsync(out.fileno())
  partial.replace(target)


def _write_all(
  files: Mapping[int, Sequence[pathlib.Path]], place: pathlib.Path, tell
) -> None:
  """Write days in parallel processes; the first error stops all of them."""
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
  """Initialize a process that writes days."""
  global _stop  # noqa: PLW0603  An event can only be passed at process start.
  _stop = stop
  threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
  """End this process with its parent: the next preparation starts alone."""
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
  except FileNotFoundError:  # A writer has just renamed the file.
    return 0


def _texts(path: pathlib.Path) -> Iterator[bytes]:
  """Yield complete lines, about CHUNK bytes at a time."""
  rest, number = b'', 1  # Incomplete line, and its number.
  try:
    with gzip.open(path) if path.suffix == '.gz' else path.open('rb') as file:
      while block := file.read(CHUNK):
        whole, end, after = block.rpartition(b'\n')
        if not end and rest:
          break  # A line longer than CHUNK is damaged.
        if end:
          text = rest + whole + end
          yield text
          number += text.count(b'\n')
        rest = after
  except (OSError, EOFError, zlib.error) as error:
    raise DataError(
      f'{path} is damaged in line {number} or soon after: {error}. Get the '
      'file again.'
    ) from error
  if rest:
    raise DataError(
      f'{path} ends within line {number}, or this line has no end. Get the '
      'file again.'
    )
