"""Specification of one attempt at a trial, passed on the command line."""

import dataclasses
import json
import math


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttemptSpec:
  """Specification of one attempt for its process.

  Attributes:
    folder: Folder of the trial.
    results: The results folder, whose other contents the trial may not read;
      '': it may read all.
    common: Folder of compiled programs and generated data that all trials have
      in common, which the trial may read; '': there is none.
    generated: Hash of the index of the generated data; '': there are none.
    started: Start of the process, in seconds of time.monotonic of its host.
    memory_gib: Most GiB that the process may allocate; None: no limit.
    profile: Number of steps to trace.
    beaten: Charged seconds after which the trial cannot change any score.
    beaten_steps: Steps after which it cannot; None: it can, by steps.
    why: What has decided that.
    host: Number of this host; 0 is the leader.
    hosts: Number of hosts.
    coordinator: 'host:port' of the leader's socket.
  """

  folder: str
  results: str = ''
  common: str = ''
  generated: str = ''
  started: float = 0.0
  memory_gib: float | None = None
  profile: int = 0
  beaten: float = math.inf
  beaten_steps: int | None = None
  why: str = ''
  host: int = 0
  hosts: int = 1
  coordinator: str = ''

  def to_flag(self) -> str:
    """Return the flag that passes this to `python -m runner.process trial`."""
    return f'--spec={json.dumps(dataclasses.asdict(self))}'


def parse(text: str) -> AttemptSpec:
  """Return the attempt in the text of the flag.

  Raises:
    ValueError: the text is not from `AttemptSpec.to_flag`.
  """
  try:
    return AttemptSpec(**json.loads(text))
  except (TypeError, ValueError) as error:
    raise ValueError(
      f'--spec={text}: {error}. This flag is for the harness only: use '
      '`timetrial run`.'
    ) from error
