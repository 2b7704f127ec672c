"""Starts of a trial's processes on remote hosts: a line of JSON for each."""

import dataclasses
import json
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class RemoteStart:
  """The process to start; the line comes on standard input.

  Attributes:
    secret: Pattern of names of variables that the process must not get.
    folder: Working folder.
    env: Environment variables beside those of the host.
    command: Words of the command.
  """

  secret: str
  folder: str
  env: Mapping[str, str]
  command: Sequence[str]

  def to_line(self) -> str:
    """Return the line that `parse` turns back into this."""
    return json.dumps(dataclasses.asdict(self)) + '\n'


def parse(line: str) -> RemoteStart:
  """Return the start in a line.

  Raises:
    TypeError, ValueError: it is not from `RemoteStart.to_line`.
  """
  return RemoteStart(**json.loads(line))
