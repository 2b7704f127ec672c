"""Progress events of a trial: lines of JSON on a pipe from its process.

Other people's code in that process may write to the pipe as well, so the parent
refuses every line that is not progress.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

LONGEST = 1 << 12  # Bytes of a line.
SHOWN = 60  # Bytes of a bad line that a message shows.


class NewsError(ValueError):
  """A line is not a progress event; the message shows the line."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProgressEvent:
  """Activity of a trial; fields are None where an event has none.

  Attributes:
    step: Number of steps.
    seconds: Charged seconds.
    loss: Training loss.
    metric: Value of the target metric, of an evaluation.
    doing: Activity, in words.
    over: True when the process only has to exit; else None.
  """

  step: int | None = None
  seconds: float | None = None
  loss: float | None = None
  metric: float | None = None
  doing: str | None = None
  over: bool | None = None

  @property
  def must_arrive(self) -> bool:
    """True for evaluations and for the end: they are never left out."""
    return self.metric is not None or self.over is not None

  def then(self, later: 'ProgressEvent') -> 'ProgressEvent':
    """Return this event with the fields of a later one over it."""
    return dataclasses.replace(self, **later.to_json())

  def to_json(self) -> dict[str, Any]:
    """Return the fields that are set."""
    return {
      name: value for name, value in vars(self).items() if value is not None
    }

  def to_line(self) -> str:
    """Return the line that `parse` turns back into this event."""
    return json.dumps(self.to_json()) + '\n'


OnProgress = Callable[[ProgressEvent], None]


def parse(line: bytes) -> ProgressEvent:
  """Parse one line into a progress event; unknown names are left out.

  Raises:
    NewsError: the line is not a progress event.
  """
  try:
    told = json.loads(line) if len(line) <= LONGEST else None
    if not isinstance(told, dict):
      raise NewsError(refusal(line))
    known = told.keys() & FIELDS.keys()
    return ProgressEvent(**{name: FIELDS[name](told[name]) for name in known})
  except (ValueError, RecursionError, OverflowError) as error:
    raise NewsError(refusal(line)) from error


def refusal(line: bytes) -> str:
  """Return the message for a line that is not a progress event."""
  return (
    f'Its progress pipe has {len(line):,} bytes that are no progress: '
    f'{line[:SHOWN]!r}. Only the harness may write there.'
  )


def _number(value: Any) -> float:
  if type(value) not in (int, float):
    raise ValueError(value)
  return float(value)


def _count(value: Any) -> int:
  return int(_number(value)) if type(value) is not int else value


def _text(value: Any) -> str:
  if not isinstance(value, str):
    raise ValueError(value)
  return value


def _true(value: Any) -> bool:
  if value is not True:
    raise ValueError(value)
  return value


FIELDS: dict[str, Callable[[Any], Any]] = {
  'step': _count,
  'seconds': _number,
  'loss': _number,
  'metric': _number,
  'doing': _text,
  'over': _true,
}
