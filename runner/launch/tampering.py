"""Repair of records that a trial has damaged while it ran.

A submission can write to the records of its trial. Damage counts as a failure
of that submission, and must not keep other trials from running.
"""

import contextlib
import pathlib
import stat
from typing import Any

from runner.launch.remote_hosts import Fault
from runner.protocol import layout, storage
from runner.protocol.records import events


def written(folder: pathlib.Path) -> bytes:
  """Return the content of a trial's attempts so far."""
  path = folder / layout.ATTEMPTS
  return path.read_bytes() if path.is_file() else b''


def mended(folder: pathlib.Path, attempt: int, before: bytes) -> Fault | None:
  """Put aside records that the last attempt has damaged; restore the old ones.

  Args:
    folder: Folder of the trial.
    attempt: Number of the last attempt.
    before: Return value of `written` before that attempt.

  Returns:
    The outcome of the attempt if records are damaged, else None.
  """
  path = folder / layout.ATTEMPTS
  for one, bits in (
    (folder, stat.S_IRWXU),
    (path, stat.S_IRUSR | stat.S_IWUSR),
  ):
    # The file may be deleted, or belong to another user.
    with contextlib.suppress(OSError):
      one.chmod(one.stat().st_mode | bits)
  if not (why := _damage(path, attempt, before)):
    return None
  storage.put_aside(path, attempt)
  if before:
    storage.write(path, before)
  reason = f'{layout.ATTEMPTS} was damaged while the trial ran: {why}'
  return Fault('crashed', reason, False)


def _damage(path: pathlib.Path, attempt: int, before: bytes) -> str:
  whole = before[: before.rfind(b'\n') + 1]
  if not path.is_file():  # Opening a pipe would block.
    return 'the file is gone.' if whole or path.exists() else ''
  try:
    if not path.read_bytes().startswith(whole):
      return 'lines of earlier attempts were changed.'
    for number, event in enumerate(storage.read_lines(path), start=1):
      if not _is_event(event, attempt):
        return f'line {number} is not an event of the harness.'
  except (OSError, storage.RecordsError) as error:
    return str(error)
  return ''


def _is_event(line: Any, attempt: int) -> bool:
  """Test whether a line has all required fields, with the right types."""
  try:
    event = events.parse(line)
  except (LookupError, TypeError, AttributeError):
    return False
  if event.kind not in events.KINDS or type(event.attempt) is not int:
    return False
  if isinstance(event, events.End) and event.attempt >= attempt:
    known = event.outcome in (*layout.SCORED, *layout.OPEN)
    return known and event.is_sound()
  # Only the parent records these of this attempt, after its end.
  parents = isinstance(event, events.Exam | events.Hopeless)
  return not parents or event.attempt < attempt
