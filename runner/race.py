"""Runs what is missing of a plan, one trial after another, telling of it."""

import pathlib
from collections.abc import Callable
from typing import Any

from runner import engine, progress, results
from runner.plan import Plan
from runner.rules import Row

Limits = dict[str, int]  # As trial.Budget has them: by steps, not seconds.


def run(
  out: pathlib.Path,
  made: Plan,
  data_dir: str | None,
  limits: Callable[[Row], Limits] | None = None,
) -> dict[str, Any]:
  """Runs or resumes every pending trial; the table of the results folder.

  Raises:
    ResultsError: the folder cannot take these results.
  """
  with results.opened(out, made) as table:
    todo = engine.pending(out, table)
    with progress.Progress(len(todo)) as live:
      for trial in todo:
        name = trial['workload']
        row = made.suite.workloads[name]
        full = table | {'data_dir': data_dir}
        if limits:
          full |= {'limits': limits(row)}
        budget = 0.0 if limits else table['seconds'][name]
        live.begin(progress.title(trial), row._asdict(), budget)
        live.end(engine.run_trial(out, full, trial, live.tell))
  return table


def by_steps(row: Row) -> Limits:
  """The whole step budget, so that the machine's speed does not matter."""
  return {'steps': row.steps, 'eval_steps': max(1, row.steps // row.looks)}
