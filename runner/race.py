"""Runs what is missing of a plan, one trial after another, telling of it."""

import pathlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from runner import engine, progress, records, results
from runner.plan import Plan
from runner.rules import Row

Limits = dict[str, int]  # As trial.Budget has them: by steps, not seconds.


class Care(NamedTuple):
  """What is done about trials that the machine fails."""

  attempts: int = 3  # In one run, at each trial.
  pause: float = 10.0  # Seconds before the second; four times that, the third.


CARE = Care()


def run(
  out: pathlib.Path,
  made: Plan,
  terms: engine.Terms,
  limits: Callable[[Row], Limits] | None = None,
  care: Care = CARE,
) -> dict[str, Any]:
  """Runs or resumes every pending trial; the table of the results folder.

  Trials that the machine failed are queued again, behind the others.

  Raises:
    ResultsError: the folder cannot take these results.
  """
  with results.opened(out, made) as table:
    todo = engine.pending(out, table)
    with progress.Progress(len(todo)) as live:

      def one(trial: dict) -> records.Status:
        name = trial['workload']
        row = made.suite.workloads[name]
        full = table | {'limits': limits(row)} if limits else table
        budget = 0.0 if limits else table['seconds'][name]
        live.begin(progress.title(trial), row._asdict(), budget)
        status = engine.run_trial(out, full, trial, live.tell, terms)
        live.end(status)
        return status

      for attempt in range(care.attempts):
        if attempt and todo:
          live.queue_again(len(todo))
          time.sleep(care.pause * 4 ** (attempt - 1))
        todo = [trial for trial in todo if one(trial).again]
  return table


def by_steps(row: Row) -> Limits:
  """The whole step budget, so that the machine's speed does not matter."""
  return {'steps': row.steps, 'eval_steps': max(1, row.steps // row.looks)}
