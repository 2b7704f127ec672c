"""Files that survive an interruption while they are written.

A file is replaced in one step. Appended lines are flushed to the disk before
anything depends on them. A last line without a newline counts if the line is
complete: a JSON object, or a CSV row with as many fields as the header. A last
line that was cut short is left out. This module imports only the standard
library.
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

LARGEST = 2**24  # Limit of a file of JSON lines, in bytes; attempts need kB.


class RecordsError(ValueError):
  """A record is damaged; the message names the file."""


class StorageError(RuntimeError):
  """A record cannot be written to the disk; the message names the file."""


# Error numbers that blame the disk, not the program that writes.
OF_DISK = frozenset(
  {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
)


@contextlib.contextmanager
def storing(path: pathlib.Path) -> Iterator[None]:
  """Turn an OSError in the block into a StorageError."""
  try:
    yield
  except OSError as error:
    raise StorageError(
      f'Cannot write {path}: {error.strerror}. Free disk space or make the '
      'folder writable; then the same command continues from here.'
    ) from error


def write_json(path: pathlib.Path, value: Any) -> None:
  """Replace a JSON file in one step: readers see the old or the new file."""
  write(path, json.dumps(value, indent=2).encode())


def write(path: pathlib.Path, *parts: bytes) -> None:
  """Replace a file by `parts` in one step.

  Raises:
    StorageError: the file cannot be written; the old file is unchanged.
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
        partial.unlink(missing_ok=True)  # Frees space on a full disk.
      raise


def put_aside(path: pathlib.Path, attempt: int) -> None:
  """Rename a file, if it exists, to <name>_before_<attempt>."""
  if path.exists():
    with storing(path):
      path.rename(path.with_name(f'{path.stem}_before_{attempt}{path.suffix}'))


def read_json(path: pathlib.Path) -> Any:
  """Return the content of a JSON file.

  Raises:
    RecordsError: `path` is not a regular file (reading a pipe would block), or
      the JSON is nested too deeply.
  """
  if not stat.S_ISREG(path.stat().st_mode):
    raise RecordsError(
      f'{path} is not a regular file. Only files are read: move it away.'
    )
  try:
    return json.loads(path.read_text(encoding='utf-8'))
  except RecursionError as error:
    raise RecordsError(
      f'{path} is nested too deeply for the JSON parser. Restore the file.'
    ) from error


def append_line(path: pathlib.Path, value: Mapping[str, Any]) -> None:
  """Append a line of JSON; a last line that was cut short is removed first."""
  line = json.dumps(value) + '\n'
  with storing(path):
    _end_last_line(path, lambda head, last: _object(last) is not None)
    with path.open('a', encoding='utf-8') as file:
      file.write(line)
      flush(file)


def read_lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  """Yield the complete lines of a JSON-lines file; none if it is missing.

  A last line that was cut short is left out.

  Raises:
    RecordsError: a line is not JSON, or the file is larger than LARGEST.
  """
  if not path.exists():
    return
  if (size := path.stat().st_size) > LARGEST:
    raise RecordsError(
      f'{path} has {size / 1e6:.0f} MB; at most {LARGEST / 1e6:.0f} MB are '
      'read, and each attempt needs only some kB. Keep the lines of the '
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
  """Return the JSON object in a line, or None if it is not a whole object."""
  try:
    found = json.loads(line.decode(errors='replace'))
  except (ValueError, RecursionError):
    return None
  return found if isinstance(found, dict) else None


def append_rows(
  path: pathlib.Path, rows: Iterable[Mapping[str, Any]], columns: Iterable[str]
) -> None:
  """Append rows to a CSV file; a last row that was cut short is removed first.

  Args:
    path: The file; a new file gets a header.
    rows: Values by column. Missing values stay empty, others are left out.
    columns: All columns of the file.
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
  """Replace the rows of a CSV file; put the old file aside if rows get lost.

  Args:
    path: The file.
    rows: Values by column.
    columns: All columns of the file.
    attempt: Number of the attempt; the old file gets it in its name.
  """
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
  """Return the complete rows of a CSV file, as text; [] if it is missing."""
  if not path.exists():
    return []
  data = path.read_bytes()
  lines, last = _lines_and_last(data)
  whole = data if _whole_row(data, last) else lines
  text = whole.decode()
  rows = list(csv.reader(io.StringIO(text, newline='')))
  sizes = set(map(len, rows))
  if len(sizes) > 1 or 0 in sizes:  # Also blank lines, which it leaves out.
    return list(csv.DictReader(io.StringIO(text, newline='')))
  # Twice as fast, and verify reads hundreds of thousands of rows.
  return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def _lines_and_last(data: bytes) -> tuple[bytes, bytes]:
  """Split `data` after its last newline."""
  whole = data.rfind(b'\n') + 1
  return data[:whole], data[whole:]


def _whole_row(head: bytes, last: bytes) -> bool:
  """Test whether a last row without a newline has all fields of the header.

  A row passes even if its last number lacks digits: that cannot be detected.

  Args:
    head: Beginning of the file, at least its first line.
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
  """Add the missing newline to a complete last line, or cut off a partial one.

  Args:
    path: The file; nothing happens if it is missing.
    complete: Tests a last line, given the lines before it and the line.
  """
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
  """Flush a file to the disk."""
  file.flush()
  os.fsync(file.fileno())


def flush_folder(path: pathlib.Path) -> None:
  """Flush the names in a folder to the disk, so that renames survive."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
