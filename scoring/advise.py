"""Advise a race that runs: which trials need not go on.

`python -m scoring.advise RESULTS POLICY` is a child process of the runner. It
reads requests from standard input and writes answers to standard output, a line
of JSON each (`runner.protocol.records.advice`).
"""

import math
import os
import pathlib
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from runner.protocol import layout, storage, trial_file
from runner.protocol.plan import PlannedTrial
from runner.protocol.records import advice
from runner.protocol.records.advice import Advice, Request
from scoring.forecast import schedule
from scoring.forecast.nearest import LEAST_FINISHED
from scoring.load import plan as plans, results as read, trials
from scoring.load.limits import NO_LIMIT, REASONS, Field, Limit
from scoring.load.results import Results
from scoring.load.trial import Trial
from scoring.rank import board, stopping
from scoring.rank.stopping import Judge, View

NICE = 19  # A trial that is timed comes first.
PATIENCE = 60.0  # Seconds in which an evaluation is on the disk.
POLL = 0.2  # Seconds between two looks at the disk.
AHEAD = (0.05, 0.5, 0.95)  # Levels of the quantiles of the step to the target.


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
    self._now: _Current | None = None

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
    if self._now is None or self._now.planned.id != request.trial:
      return Advice(request=request)
    return self._now.look(request)

  def _begin(self, request: Request) -> Advice:
    plan, _ = plans.read(self._out, needed=True)
    known = plan.trials if plan else ()
    planned = next((one for one in known if one.id == request.trial), None)
    if planned is None:
      raise ValueError(f'No trial {request.trial} is planned in {self._out}.')
    results = _read(self._out, planned)
    self._now = _Current(results, planned, stops=self._policy == 'safe')
    least = limit(results, planned, self._policy)
    return Advice(
      request=request,
      limit=least.seconds,
      why=REASONS.get(least.reason, ''),
    )


class _Current:
  """The trial that runs, and what forecasts of it know."""

  def __init__(self, results: Results, planned: PlannedTrial, *, stops: bool):
    self.planned = planned
    self._results = results
    self._stops = stops
    self._known = tuple(
      one
      for one in results.trials
      if one.key.workload == planned.workload
      and one.key.submission != planned.submission
      and stopping.is_finished(one)
    )
    self._judge: Judge | None = None

  def look(self, request: Request) -> Advice:
    """Return a forecast after an evaluation."""
    assert request.step is not None
    trial = self._read(request.step)
    rungs = self._results.rules.rungs(self.planned.workload)
    if trial is None or rungs[0].target is None:
      return Advice(request=request)
    if self._judge is None:
      self._judge = forecaster(self._results, trial, self._known)
    if self._judge is None:
      return Advice(request=request)
    count = len(trial.evals.steps)
    agreed = self._judge.stop(trial, count) if self._stops else []
    view = self._judge.view(trial, count, schedule.recorded(trial.folder))
    told = view.foreseen or len(self._known) >= LEAST_FINISHED
    return Advice(
      request=request,
      chance=view.outlook.chance if told else None,
      ahead=tuple(map(float, view.outlook.steps(AHEAD))),
      hopeless=self._facts(agreed) if agreed else None,
    )

  def _facts(self, agreed: list[View]) -> dict[str, Any]:
    ids = {trial.key: trial.id for trial in self._results.planned.values()}
    return {
      'step': agreed[-1].step,
      'seconds': agreed[-1].seconds,
      'target': agreed[-1].target,
      'chances': [view.chance for view in agreed],
      'known': sorted(ids[trial.key] for trial in self._known),
    }

  def _read(self, step: int) -> Trial | None:
    """Return the trial once an evaluation is on the disk."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
      found = running(self._results, self.planned)
      if found.evals and found.evals.steps[-1] >= step:
        return found
      time.sleep(POLL)
    return None


def running(results: Results, planned: PlannedTrial) -> Trial:
  """Return a trial as it is now, in the unit of the results."""
  rungs = results.rules.rungs(planned.workload)
  folder = planned.folder(results.folder)
  budget = results.plan.budgets.get(planned.workload) if results.plan else None
  found = trials.read(planned.key, folder, rungs, planned, budget)
  if results.effort != 'steps':
    return found
  own = trial_file.parse(storage.read_json(folder / layout.TRIAL))
  return found.by_steps(own.budget.steps or math.inf)


def forecaster(
  results: Results, trial: Trial, known: Sequence[Trial]
) -> Judge | None:
  """Return a judge of a trial; None if its curve has no scale.

  Args:
    results: The results, in seconds or steps as the trial is stopped.
    trial: The trial, with an evaluation.
    known: Finished trials of other submissions on its workload.
  """
  rungs = results.rules.rungs(trial.key.workload)
  by = stopping.scale(rungs[0], [*known, trial])
  if not math.isfinite(by.start):
    return None
  finished = tuple(
    stopping.whole(one, rungs[0], by, planned=True) for one in known
  )
  return Judge(rungs, by, finished, planned=True)


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

  Fast submissions set the times from which on slow ones have no credit. Equal
  ones, such as those without results, keep the order of the plan.
  """
  scored = board.make(results)
  known = {one.submission: one.score for one in scored.standings}
  reference = results.rules.reference
  planned = dict.fromkeys(trial.key.submission for trial in results.trials)
  return tuple(
    sorted(planned, key=lambda name: (name != reference, -known[name]))
  )


def _read(out: pathlib.Path, planned: PlannedTrial) -> Results:
  """Read results in the unit by which a trial is stopped."""
  own = storage.read_json(planned.folder(out) / layout.TRIAL)
  timed = own.get('timed') is not False
  return read.read(out, effort='seconds' if timed else 'steps')


def serve(server: Server, requests: Iterable[str], answers: TextIO) -> None:
  """Answer requests until there are no more.

  Args:
    server: Who answers.
    requests: Requests, a line each.
    answers: Where the answers go, a line each.
  """
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
