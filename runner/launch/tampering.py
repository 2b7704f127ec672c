"""Records that a trial has damaged while it ran.

Other people's code runs where the attempts at a trial are written down. What
it damages is its own fault, and must not keep others from being raced.
"""

import contextlib
import math
import pathlib
import stat
from typing import Any

from runner.launch.remote_hosts import Fault
from runner.protocol import layout, storage

SECONDS = ('seconds', 'own_seconds', 'suspended_seconds')  # Of an end.


def written(folder: pathlib.Path) -> bytes:
  """Bytes of a trial's attempts so far."""
  path = folder / layout.ATTEMPTS
  return path.read_bytes() if path.is_file() else b''


def mended(folder: pathlib.Path, attempt: int, before: bytes) -> Fault | None:
  """Puts records aside that the last attempt has damaged.

  What was there before it is there again.

  Args:
    folder: Of the trial.
    attempt: The last one.
    before: What `written` gave before it.

  Returns:
    How the trial ended by that; None where nothing is damaged.
  """
  path = folder / layout.ATTEMPTS
  for one, bits in (
    (folder, stat.S_IRWXU),
    (path, stat.S_IRUSR | stat.S_IWUSR),
  ):
    with contextlib.suppress(OSError):  # It may be gone, or another user's.
      one.chmod(one.stat().st_mode | bits)
  if not (why := _damage(path, attempt, before)):
    return None
  storage.put_aside(path, attempt)
  if before:
    storage.write(path, before)
  reason = f'{layout.ATTEMPTS} was damaged while it ran: {why}'
  return Fault('crashed', reason, False)


def _damage(path: pathlib.Path, attempt: int, before: bytes) -> str:
  whole = before[: before.rfind(b'\n') + 1]
  if not path.is_file():  # A pipe would be waited for.
    return 'it is gone.' if whole or path.exists() else ''
  try:
    if not path.read_bytes().startswith(whole):
      return 'lines of attempts before it were changed.'
    for number, event in enumerate(storage.read_lines(path), start=1):
      if not _is_event(event, attempt):
        return f'line {number} is not as the harness writes it.'
  except (OSError, storage.RecordsError) as error:
    return str(error)
  return ''


def _is_event(event: Any, attempt: int) -> bool:
  """Test whether an event has all that is used of it, of the right types."""
  if not isinstance(event, dict) or event.get('event') not in layout.EVENTS:
    return False
  if type(event.get('attempt')) is not int:
    return False
  if event['event'] != 'end' or event['attempt'] < attempt:
    # Of this attempt's model only its parent says so, and afterwards.
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
