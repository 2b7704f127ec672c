"""Files of measured speeds: the machine, and a table of speeds for each suite.

[machine]                       name, cpu, cores, accelerators, ...
[mini."criteo1tb/mini"]         compile_seconds, trace_seconds, step_seconds, of
"""

from collections.abc import Container, Mapping
from typing import Any, NamedTuple

from runner.protocol import layout
from runner.protocol.plan import Machine, Speed


class Measured(NamedTuple):
  """A speed of the reference algorithm, and what it holds for.

  Attributes:
    speed: The speed.
    of: Values of the suite that change the speed, as a text.
    state: Facts of the machine that change its speed but not its name.
  """

  speed: Speed
  of: str
  state: Mapping[str, Any]

  def to_json(self) -> dict[str, Any]:
    """Return the row of the file."""
    return self.speed._asdict() | {'of': self.of} | dict(self.state)


def rows(
  table: Mapping[str, Any], suite: str, workloads: Container[str]
) -> dict[str, Measured]:
  """Return the speeds of a suite by workload.

  Args:
    table: Content of the file.
    suite: Name of the suite.
    workloads: Workloads of the suite; rows of other ones are not read.

  Raises:
    LookupError, TypeError, AttributeError, ValueError: a row holds no speed.
  """
  return {
    name: _row(row)
    for name, row in table.get(suite, {}).items()
    if name in workloads and not _is_old(row)
  }


def _is_old(row: Mapping[str, Any]) -> bool:
  """Test whether a row is from before tracing was measured apart."""
  return 'step_seconds' in row and 'trace_seconds' not in row


def _row(row: Mapping[str, Any]) -> Measured:
  speed = Speed(**{name: row[name] for name in Speed._fields})
  if not all(map(layout.is_time, speed)):
    raise ValueError(f'{speed} has what is no number of seconds')
  known = {*Speed._fields, 'of'}
  state = {name: value for name, value in row.items() if name not in known}
  return Measured(speed, row['of'], state)


def machine(table: Mapping[str, Any]) -> Machine | None:
  """Return the measured machine; None if the file does not name it."""
  facts = table.get('machine')
  if isinstance(facts, dict) and isinstance(facts.get('name'), str):
    return Machine(name=facts['name'], facts=facts)
  return None


def added(
  text: str, measured_on: Machine, suite: str, more: Mapping[str, Measured]
) -> str:
  """Return the text of a file with further speeds; comments stay.

  Args:
    text: The old text, or ''.
    measured_on: The machine.
    suite: Name of the suite.
    more: Speeds by workload.
  """
  import tomlkit  # noqa: PLC0415  Only calibration writes TOML.

  document = tomlkit.parse(text)
  document['machine'] = dict(measured_on.facts)
  table = dict(document.get(suite, {}))
  document[suite] = table | {name: one.to_json() for name, one in more.items()}
  return tomlkit.dumps(document)
