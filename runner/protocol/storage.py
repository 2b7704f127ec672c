"""Files that survive whatever interrupts their writing.

What replaces a file appears in one step, and what is appended is flushed to
the disk before anything depends on it. A last line without its end counts if it
is complete: an object of JSON, or as many fields as the header has. One that
was cut short does not. The standard library only.
"""

import contextlib
import csv
import errno
import io
import json
import os
import pathlib
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

LARGEST = 2**24  # Bytes of a file of lines: some kilobytes an attempt.


class RecordsError(ValueError):
  """A record is not what was written; the message names the file."""


class StorageError(RuntimeError):
  """The disk does not take a record; the message names the file."""


# What an OSError says of the disk, and not of who wanted to write.
OF_DISK = frozenset(
  {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
)


@contextlib.contextmanager
def storing(path: pathlib.Path) -> Iterator[None]:
  """Whatever the system refuses in the block is a StorageError."""
  try:
    yield
  except OSError as error:
    raise StorageError(
      f'Cannot write {path}: {error.strerror}. Make room or give back the '
      'folder; then the same command goes on from here.'
    ) from error


def write_json(path: pathlib.Path, value: Any) -> None:
  """Replaces a file in one step: a reader sees the old or the new one."""
  write(path, json.dumps(value, indent=2).encode())


def write(path: pathlib.Path, *parts: bytes) -> None:
  """As write_json, of any content.

  Raises:
    StorageError: the disk does not take it; the old file is as it was.
  """
  partial = path.with_name(path.name + '.partial')
  with storing(path):
    try:
      with partial.open('wb') as file:
        file.writelines(parts)
        flush(file)
      partial.replace(path)
      flush_folder(path.parent)
    except OSError:
      with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)  # On a full disk it is in the way.
      raise


def put_aside(path: pathlib.Path, attempt: int) -> None:
  """Renames a file, if it is there, to say that it is of before an attempt."""
  if path.exists():
    with storing(path):
      path.rename(path.with_name(f'{path.stem}_before_{attempt}{path.suffix}'))


def read_json(path: pathlib.Path) -> Any:
  """Return what a file of JSON holds.

  Raises:
    RecordsError: it is no plain file, as a pipe would be waited for; or it is
      nested too deeply.
  """
  if not stat.S_ISREG(path.stat().st_mode):
    raise RecordsError(f'{path} is no file.')
  try:
    return json.loads(path.read_text(encoding='utf-8'))
  except RecursionError as error:
    raise RecordsError(f'{path} is nested too deeply.') from error


def append_line(path: pathlib.Path, value: Mapping[str, Any]) -> None:
  """Appends a line of JSON, in the place of one that was cut short."""
  line = json.dumps(value) + '\n'
  with storing(path):
    _end_last_line(path, lambda head, last: _object(last) is not None)
    with path.open('a', encoding='utf-8') as file:
      file.write(line)
      flush(file)


def read_lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  """Complete lines of JSON; a last one that was cut short is left out.

  Raises:
    RecordsError: a line is not JSON, or the file is too large to be ours.
  """
  if not path.exists():
    return
  if (size := path.stat().st_size) > LARGEST:
    raise RecordsError(
      f'{path} has {size / 1e6:.0f} MB, and at most {LARGEST / 1e6:.0f} MB are '
      'read: a trial writes some kB at each attempt. Keep the lines of its '
      'attempts and remove the others.'
    )
  with path.open('rb') as file:
    for number, line in enumerate(file, start=1):
      if not line.endswith(b'\n'):
        if (last := _object(line)) is not None:
          yield last
        return
      try:
        yield json.loads(line.decode(errors='replace'))
      except (ValueError, RecursionError) as error:
        raise RecordsError(
          f'{path} is damaged: line {number} is not JSON ({error}).'
        ) from error


def _object(line: bytes) -> dict[str, Any] | None:
  """A whole object of JSON; None for a part of one, which is never JSON."""
  try:
    found = json.loads(line.decode(errors='replace'))
  except (ValueError, RecursionError):
    return None
  return found if isinstance(found, dict) else None


def append_rows(
  path: pathlib.Path, rows: Iterable[Mapping[str, Any]], columns: Iterable[str]
) -> None:
  """Appends rows to a CSV file, in the place of one that was cut short.

  What a row lacks of the columns stays empty; what it has beside is left out.
  """
  with storing(path):
    _end_last_line(path, _whole_row)
    with path.open('a', encoding='utf-8', newline='') as file:
      file.write(_csv(rows, columns, header=not file.tell()))
      flush(file)


def set_rows(
  path: pathlib.Path,
  rows: Sequence[Mapping[str, Any]],
  columns: Iterable[str],
  attempt: int,
) -> None:
  """Makes a CSV file hold these rows; others that it held are put aside."""
  data = _csv(rows, columns, header=True).encode() if rows else b''
  before = path.read_bytes() if path.exists() else b''
  lines, last = _lines_and_last(before)
  if not data.startswith(before if _whole_row(before, last) else lines):
    put_aside(path, attempt)
  if rows:
    write(path, data)


def _csv(rows, columns, header: bool) -> str:
  text = io.StringIO()
  writer = csv.DictWriter(
    text, sorted(columns), extrasaction='ignore', lineterminator='\n'
  )
  if header:
    writer.writeheader()
  writer.writerows(rows)
  return text.getvalue()


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
  """Complete rows of a CSV file, as text."""
  if not path.exists():
    return []
  data = path.read_bytes()
  lines, last = _lines_and_last(data)
  whole = data if _whole_row(data, last) else lines
  return list(csv.DictReader(io.StringIO(whole.decode(), newline='')))


def _lines_and_last(data: bytes) -> tuple[bytes, bytes]:
  """What ends with a line's end, and what comes behind it."""
  whole = data.rfind(b'\n') + 1
  return data[:whole], data[whole:]


def _whole_row(head: bytes, last: bytes) -> bool:
  """Whether a last row without a line's end has all fields of the header.

  Its last number may still lack digits, which nobody can tell.

  Args:
    head: The file from its beginning, at least its first line.
    last: The row.
  """
  header = head[: head.find(b'\n') + 1]
  return (
    bool(header)
    and last.count(b',') == header.count(b',')
    and not last.endswith(b',')
  )


def _end_last_line(
  path: pathlib.Path, complete: Callable[[bytes, bytes], bool]
) -> None:
  """Ends a last line that is complete; cuts off what was left of another."""
  if not path.exists():
    return
  data = path.read_bytes()
  lines, last = _lines_and_last(data)
  if last and complete(data, last):
    with path.open('ab') as file:
      file.write(b'\n')
  elif last:
    os.truncate(path, len(lines))


def flush(file) -> None:
  """Has what was written to a file on the disk."""
  file.flush()
  os.fsync(file.fileno())


def flush_folder(path: pathlib.Path) -> None:
  """Has the names in a folder on the disk, as what they name."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
