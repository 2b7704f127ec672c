"""Advise a race that runs: which trials need not go on.

`python -m scoring.advise RESULTS POLICY` is a child process of the runner. It
reads requests from standard input and writes answers to standard output, a line
of JSON each (`runner.protocol.records.advice`).
"""

import math
import os
import pathlib
import sys
from collections.abc import Iterable
from typing import TextIO

from runner.protocol import layout, storage
from runner.protocol.plan import PlannedTrial
from runner.protocol.records import advice
from runner.protocol.records.advice import Advice, Request
from scoring.load import plan as plans, results as read
from scoring.load.limits import NO_LIMIT, REASONS, Field, Limit
from scoring.load.results import Results
from scoring.rank import board

NICE = 19  # A trial that is timed comes first.


class Server:
  """Answers on one results folder; keeps what it has read for a trial."""

  def __init__(self, out: pathlib.Path, policy: str):
    """Read nothing yet.

    Args:
      out: The results folder, with its plan.
      policy: One of advice.POLICIES.
    """
    self._out = out
    self._policy = policy

  def answer(self, request: Request) -> Advice:
    """Return the answer to a request; it says why if there is none."""
    try:
      return self._answer(request)
    except (ValueError, OSError, LookupError) as error:
      return Advice(request=request, failed=str(error))

  def _answer(self, request: Request) -> Advice:
    if not request.trial:
      results = read.read(self._out)
      return Advice(request=request, order=strongest_first(results))
    if request.step is None:
      return self._begin(request)
    return Advice(request=request)

  def _begin(self, request: Request) -> Advice:
    plan, _ = plans.read(self._out, needed=True)
    assert plan is not None
    [planned] = [trial for trial in plan.trials if trial.id == request.trial]
    results = _read(self._out, planned)
    found = limit(results, planned, self._policy)
    return Advice(
      request=request,
      limit=found.seconds,
      why=REASONS.get(found.reason, ''),
    )


def limit(results: Results, planned: PlannedTrial, policy: str) -> Limit:
  """Return when a trial cannot change any score any more.

  Args:
    results: The results so far, in steps if the trial is untimed.
    planned: The trial.
    policy: 'beaten' for races to which studies are added: then only the trials
      of its own study stop a trial.
  """
  [trial] = [one for one in results.trials if one.key == planned.key]
  trials = results.trials
  if policy == 'beaten':
    trials = [one for one in trials if one.key[:3] == planned.key[:3]]
  field = Field(results.rules, trials, read.programs_of(results))
  found = field.limit(trial)
  return found if math.isfinite(found.seconds) else NO_LIMIT


def strongest_first(results: Results) -> tuple[str, ...]:
  """Return submissions by score, the reference first.

  Fast submissions set the times from which on slow ones have no credit.
  """
  scored = board.make(results)
  known = {one.submission: one.score for one in scored.standings}
  reference = results.rules.reference
  return tuple(
    sorted(known, key=lambda name: (name != reference, -known[name], name))
  )


def _read(out: pathlib.Path, planned: PlannedTrial) -> Results:
  """Read results in the unit by which a trial is stopped."""
  own = storage.read_json(planned.folder(out) / layout.TRIAL)
  timed = own.get('timed') is not False
  return read.read(out, effort='seconds' if timed else 'steps')


def serve(server: Server, requests: Iterable[str], answers: TextIO) -> None:
  """Answer requests until there are no more."""
  for line in requests:
    found = server.answer(advice.parse_request(line))
    print(found.to_line(), end='', file=answers, flush=True)


def main(words: list[str]) -> int:
  """Be the adviser of a race; return the exit code."""
  out, policy = words
  os.nice(NICE)
  answers = os.fdopen(os.dup(1), 'w', buffering=1, encoding='utf-8')
  os.dup2(2, 1)  # Libraries print to standard output, too.
  serve(Server(pathlib.Path(out), policy), sys.stdin, answers)
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
