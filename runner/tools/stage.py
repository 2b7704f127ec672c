"""Runs of a few steps of one trial, which are made to be compared."""

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

import submissions
from runner.launch import attempt, outcomes, prepare
from runner.launch.attempt import OnProgress, TrialOptions
from runner.protocol import columns, layout, storage, trial_file
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.trial_file import StepLimits
from runner.trial import checkpoint

ATTEMPTS = 3  # At what the machine fails.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rehearsal:
  """A submission on a workload, to be tried before it races."""

  entry: submissions.Entry
  plan: Plan
  trial: PlannedTrial
  options: TrialOptions


class Stage(NamedTuple):
  """Folder for runs of one trial; they share what is compiled."""

  of: Rehearsal
  out: pathlib.Path
  on_progress: OnProgress

  def run(self, study: int, stops: Sequence[int], every: int) -> Status:
    """Trains up to each of the stops in turn, and is evaluated every so often.

    What the machine fails is tried again from the start.
    """
    for _ in range(ATTEMPTS):
      shutil.rmtree(self.folder(study), ignore_errors=True)
      status = self._go(study, stops, every)
      if not (status.retryable or status.outcome == 'invalid'):
        break
    return status

  def _go(self, study: int, stops: Sequence[int], every: int) -> Status:
    for stop in stops:
      limits = StepLimits(steps=stop, eval_steps=every)
      status = self._attempt(study, limits)
      if status.outcome != 'ended':
        break
    return status

  def _attempt(self, study: int, limits: StepLimits) -> Status:
    trial = dataclasses.replace(self.of.trial, study=study)
    path = trial.folder(self.out) / layout.TRIAL
    if path.exists():  # It goes on under new limits.
      spec = trial_file.limited(prepare.spec(path), limits)
      storage.write_json(path, trial_file.dump(spec))
    plan, options = self.of.plan, self.of.options
    folder = attempt.prepared(self.out, plan, trial, options, limits)
    return attempt.run_attempt(self.out, folder, self.on_progress, options)

  def folder(self, study: int) -> pathlib.Path:
    """Return the folder of a run; each has a study of its own."""
    return dataclasses.replace(self.of.trial, study=study).folder(self.out)

  def evaluations(self, study: int) -> list[int]:
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
    if last is not None and last.facts['steps'] == self.evaluations(study)[-1]:
      digest = checkpoint.digest(last.arrays)
      return f'step {last.facts["steps"]}', digest[:12], last.facts.get('tree')
    row = storage.read_rows(folder / layout.EVALS)[-1]
    metrics = {name: row[name] for name in sorted(row) if '/' in name}
    return f'step {row[columns.STEP]}', metrics

  def log(self, study: int) -> str:
    path = self.folder(study) / outcomes.LOG
    return path.read_text(encoding='utf-8', errors='replace')
