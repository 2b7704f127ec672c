"""Progress events of a trial: lines of JSON on a pipe from its process.

Other people's code in that process may write to the pipe as well, so the parent
refuses every line that is not progress.
"""

import json
from typing import Any

LONGEST = 1 << 12  # Bytes of a line.
SHOWN = 60  # Bytes of a bad line that a message shows.
NUMBERS = ('step', 'seconds', 'loss', 'metric')


class NewsError(ValueError):
  """A line is not a progress event; the message shows the line."""


def parsed(line: bytes) -> dict[str, Any]:
  """Parse one line into a progress event.

  Returns:
    The numbers 'step', 'seconds', 'loss' and 'metric', the text 'doing' and
    'over' (True), as far as the line has them. Other names keep their values.

  Raises:
    NewsError: the line is not a progress event.
  """
  try:
    told = json.loads(line) if len(line) <= LONGEST else None
    if not isinstance(told, dict):
      raise NewsError(refusal(line))
    return {name: _value(name, value) for name, value in told.items()}
  except (ValueError, RecursionError, OverflowError) as error:
    raise NewsError(refusal(line)) from error


def refusal(line: bytes) -> str:
  """Return the message for a line that is not a progress event."""
  return (
    f'Its progress pipe has {len(line):,} bytes that are no progress: '
    f'{line[:SHOWN]!r}. Only the harness may write there.'
  )


def _value(name: str, value: Any) -> Any:
  if name in NUMBERS:
    if type(value) not in (int, float):
      raise NewsError(name)
    return float(value) if name != 'step' else int(value)
  if name == 'doing' and not isinstance(value, str):
    raise NewsError(name)
  if name == 'over' and value is not True:
    raise NewsError(name)
  return value
