"""Repair of records that a trial has damaged while it ran.

A submission can write to the records of its trial. Damage counts as a failure
of that submission, and must not keep other trials from running.
"""

import contextlib
import math
import pathlib
import stat
from typing import Any

from runner.launch.remote_hosts import Fault
from runner.protocol import layout, storage

# Fields of an 'end' event that hold seconds.
SECONDS = ('seconds', 'own_seconds', 'suspended_seconds')


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


def _is_event(event: Any, attempt: int) -> bool:
  """Test whether an event has all required fields, with the right types."""
  if not isinstance(event, dict) or event.get('event') not in layout.EVENTS:
    return False
  if type(event.get('attempt')) is not int:
    return False
  if event['event'] != 'end' or event['attempt'] < attempt:
    # Only the parent records this event of an attempt, after its end.
    return event['event'] != layout.EXAM or event['attempt'] < attempt
  accounts = event.get('accounts')
  known = event.get('outcome') in (*layout.SCORED, *layout.OPEN)
  if not isinstance(accounts, dict) or not known:
    return False
  seconds = [*accounts.values(), *map(event.get, SECONDS)]
  busy = event.get('load', {})
  if not isinstance(busy, dict):
    return False
  seconds += busy.values()
  return isinstance(event.get('reason'), str) and all(map(_is_number, seconds))


def _is_number(value: Any) -> bool:
  return type(value) in (int, float) and math.isfinite(value)
