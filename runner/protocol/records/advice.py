"""Advice of scoring on a trial that runs: requests and answers, lines of JSON.

The runner asks when a trial is about to begin, and after its evaluations.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

# Policies of early stops; each one stops all that the one before it stops.
POLICIES = ('none', 'beaten', 'exact', 'safe')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """A trial to advise on.

  Attributes:
    trial: Id of the trial in the plan; '': the order of submissions is wanted.
    step: Step of its last evaluation; None: the trial is about to begin.
  """

  trial: str = ''
  step: int | None = None

  def to_line(self) -> str:
    """Return the line that `parse_request` turns back into this request."""
    return json.dumps(dataclasses.asdict(self)) + '\n'


def parse_request(line: str) -> Request:
  """Return the request in a line.

  Raises:
    TypeError, ValueError: it is not from `Request.to_line`.
  """
  return Request(**json.loads(line))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Advice:
  """Answer to a request.

  Attributes:
    request: The request.
    limit: Charged seconds, or steps of an untimed trial, after which the trial
      cannot change any score; inf: it always can.
    why: What has decided that.
    order: Submissions from the strongest to the weakest, as far as known.
    chance: Forecast chance to reach the easiest target not reached yet; None:
      there is no forecast.
    ahead: Steps to that target, as quantiles of the forecast; inf: never.
    hopeless: Facts of the `hopeless` event if the trial should be stopped.
    failed: Why there is no advice, or ''.
  """

  request: Request
  limit: float = math.inf
  why: str = ''
  order: tuple[str, ...] = ()
  chance: float | None = None
  ahead: tuple[float, ...] = ()
  hopeless: Mapping[str, Any] | None = None
  failed: str = ''

  def to_line(self) -> str:
    """Return the line that `parse` turns back into this advice."""
    return json.dumps(dataclasses.asdict(self)) + '\n'


def parse(line: bytes) -> Advice:
  """Return the advice in a line.

  Raises:
    LookupError, TypeError, ValueError: it is not from `Advice.to_line`.
  """
  table = json.loads(line)
  table['request'] = Request(**table['request'])
  for name in ('order', 'ahead'):
    table[name] = tuple(table[name])
  return Advice(**table)
