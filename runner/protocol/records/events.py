"""Events of a trial's attempts: the lines of attempts.jsonl, as types."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

START = 'start'
END = 'end'
EXIT = 'exit'
DAMAGED = 'damaged'
OVER_AGAIN = 'over again'  # Restart at step 0: no state could be restored.
EXAM = 'exam'  # A fresh process has evaluated the model again.
# A forecast found the trial without a chance; the parent has stopped it, or
# ran it to its end to audit the forecast.
HOPELESS = 'hopeless'
KINDS = (START, END, EXIT, DAMAGED, OVER_AGAIN, EXAM, HOPELESS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
  """One line; kinds without fields that programs read are only this.

  Attributes:
    kind: One of KINDS, or a word that no version of the harness writes.
    attempt: Number of the attempt, from 0.
    line: All fields of the line, as JSON has them.
  """

  kind: str
  attempt: int
  line: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start(Event):
  """Start of an attempt's process.

  Attributes:
    time: Time in UTC; '' if it is not recorded.
    host: Name of the host; '' if it is not recorded.
    job: Job of an executor; '' if there is none.
    hardware: Kind of the machine; None if it is not recorded.
  """

  time: str
  host: str
  job: str
  hardware: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class End(Event):
  """End of an attempt, with its outcome. All times are in seconds.

  Attributes:
    outcome: Outcome of the trial, if this attempt is its last one.
    reason: Reason of the outcome.
    seconds: Charged seconds of the trial so far.
    accounts: Seconds by account of the clock.
    again: Whether the machine failed, and another attempt may succeed.
    step: Steps of the trial so far.
    own_seconds: Seconds on all accounts in this process; None where a parent
      has written the line.
    suspended_seconds: Seconds in which the process was stopped, or None.
    load: Load of the machine, as `layout.held_up` takes it.
    memory: Peak bytes by place: 'host', 'device'.
  """

  outcome: str
  reason: str
  seconds: float
  accounts: Mapping[str, float]
  again: bool
  step: int
  own_seconds: float | None
  suspended_seconds: float | None
  load: Mapping[str, float]
  memory: Mapping[str, int | None]

  def is_sound(self) -> bool:
    """Test whether all values that are compared have the right types."""
    if not (isinstance(self.accounts, dict) and isinstance(self.load, dict)):
      return False
    numbers = [self.seconds, self.own_seconds, self.suspended_seconds]
    numbers += [*self.accounts.values(), *self.load.values()]
    return isinstance(self.reason, str) and all(map(_is_number, numbers))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exam(Event):
  """Second evaluation of the model that has reached the target.

  Attributes:
    agrees: Whether it agrees with the trial's own; None: it failed.
    sha256: Hash of the model's arrays; '' without one.
  """

  agrees: bool | None
  sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hopeless(Event):
  """Forecast that a trial will not reach its target.

  Attributes:
    step: Step of the evaluation at which it was hopeless.
    seconds: Charged seconds then.
    target: The target that it would not reach: the easiest one left.
    chances: Forecast chances at the evaluations that agreed.
    known: Ids of the finished trials that the forecast knew.
    audited: Whether it went on, to find how often forecasts are wrong.
  """

  step: int
  seconds: float
  target: float
  chances: tuple[float, ...]
  known: tuple[str, ...]
  audited: bool


def hopeless(attempt: int, line: Mapping[str, Any]) -> Hopeless:
  """Return the forecast in the facts of a `hopeless` event."""
  return Hopeless(
    kind=HOPELESS,
    attempt=attempt,
    line=line,
    step=int(line['step']),
    seconds=float(line['seconds']),
    target=float(line['target']),
    chances=tuple(map(float, line['chances'])),
    known=tuple(map(str, line['known'])),
    audited=line['audited'] is True,
  )


def parse(line: Mapping[str, Any]) -> Event:
  """Return the event in one line, as JSON has it.

  Types of values are not tested: see `End.is_sound`.

  Raises:
    LookupError, TypeError, AttributeError: it is no event.
  """
  kind = line['event']
  common: dict[str, Any] = {
    'kind': kind,
    'attempt': line['attempt'],
    'line': line,
  }
  if kind == START:
    known = line.get('hardware')
    return Start(
      time=str(line.get('time', '')),
      host=str(line.get('host') or ''),
      job=str(line.get('job') or ''),
      hardware=None if known is None else str(known),
      **common,
    )
  if kind == END:
    return End(
      outcome=line['outcome'],
      reason=line['reason'],
      seconds=line['seconds'],
      accounts=line['accounts'],
      again=bool(line.get('again')),
      step=line.get('step', 0),
      own_seconds=line.get('own_seconds'),
      suspended_seconds=line.get('suspended_seconds'),
      load=line.get('load', {}),
      memory=line.get('peak_memory_bytes', {}),
      **common,
    )
  if kind == EXAM:
    agrees = line.get('agrees')
    return Exam(agrees=agrees, sha256=str(line.get('sha256', '')), **common)
  if kind == HOPELESS:
    return hopeless(line['attempt'], line)
  return Event(**common)


def _is_number(value: Any) -> bool:
  return type(value) in (int, float) and math.isfinite(value)


Kind = TypeVar('Kind', bound=Event)


def of(kind: type[Kind], events: Iterable[Event]) -> list[Kind]:
  """Return the events of one type, in their order."""
  return [event for event in events if isinstance(event, kind)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
  """Measurements of an attempt by the parent of its process.

  Attributes:
    wall_seconds: Seconds from start to end of the process.
    processor_seconds: Processor seconds of the process and its children.
    cards: Use of the accelerators, as runner.machine.gpu_monitor sums it up.
    code: Exit code of the process.
    residual_seconds: Seconds on no account of the trial's clock.
    log: Last lines that the process printed.
  """

  wall_seconds: float
  processor_seconds: float | None = None
  cards: Mapping[str, Any] | None = None
  code: int | None = None
  residual_seconds: float | None = None
  log: list[str] | None = None

  def to_json(self) -> dict[str, Any]:
    """Return the fields of an `exit` event; unknown ones are left out."""
    return {
      name: value for name, value in vars(self).items() if value is not None
    }
