"""Runs of a few steps of one trial, which are made to be compared."""

import pathlib
import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

import submissions
from runner.launch import attempt, outcomes
from runner.protocol import columns, layout, plan, results_folder, storage
from runner.trial import checkpoint

ATTEMPTS = 3  # At what the machine fails.


class Rehearsal(NamedTuple):
  entry: submissions.Entry
  made: plan.Plan
  trial: plan.Trial
  terms: attempt.TrialOptions


class Stage(NamedTuple):
  """Folder for runs of one trial; they share what is compiled."""

  of: Rehearsal
  out: pathlib.Path
  tell: attempt.Tell

  def run(self, study: int, stops: Sequence[int], every: int) -> layout.Status:
    """Trains up to each of the stops in turn, and is evaluated every so often.

    What the machine fails is tried again from the start.
    """
    for _ in range(ATTEMPTS):
      shutil.rmtree(self.folder(study), ignore_errors=True)
      status = self._go(study, stops, every)
      if not (status.again or status.outcome == 'invalid'):
        break
    return status

  def _go(self, study: int, stops: Sequence[int], every: int):
    for stop in stops:
      status = self._attempt(study, {'steps': stop, 'eval_steps': every})
      if status.outcome != 'ended':
        break
    return status

  def _attempt(self, study: int, limits: dict[str, int]) -> layout.Status:
    table = plan.table(self.of.made) | {'limits': limits}
    trial = self.of.trial._replace(study=study)._asdict()
    path = results_folder.place(self.out, trial) / layout.TRIAL
    if path.exists():  # It goes on under new limits.
      facts = storage.read_json(path)
      storage.write_json(path, facts | {'budget': facts['budget'] | limits})
    folder = attempt.prepare(self.out, table, trial, self.of.terms)
    return attempt.run_attempt(self.out, folder, self.tell, self.of.terms)

  def folder(self, study: int) -> pathlib.Path:
    return self.of.trial._replace(study=study).folder(self.out)

  def looks(self, study: int) -> list[int]:
    """The steps at which it was evaluated."""
    rows = storage.read_rows(self.folder(study) / layout.EVALS)
    return [int(row[columns.STEP]) for row in rows]

  def end(self, study: int) -> tuple[Any, ...]:
    """The last state, or why there is none; of one not saved, the metrics."""
    folder = self.folder(study)
    status = layout.status(folder)
    if status.outcome != 'ended':
      return status.outcome, status.reason
    last = checkpoint.load(folder / layout.CHECKPOINT)
    if last is not None and last.facts['steps'] == self.looks(study)[-1]:
      digest = checkpoint.digest(last.arrays)
      return f'step {last.facts["steps"]}', digest[:12], last.facts.get('tree')
    row = storage.read_rows(folder / layout.EVALS)[-1]
    metrics = {name: row[name] for name in sorted(row) if '/' in name}
    return f'step {row[columns.STEP]}', metrics

  def log(self, study: int) -> str:
    path = self.folder(study) / outcomes.LOG
    return path.read_text(encoding='utf-8', errors='replace')
