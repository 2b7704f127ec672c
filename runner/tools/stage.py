"""Runs of a few steps of one trial, for comparison with each other."""

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

import submissions
from runner.launch import attempt, outcomes, planned_trial, prepare
from runner.launch.attempt import TrialOptions
from runner.protocol import (
  columns,
  layout,
  storage,
  trial_file,
)
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records import checkpoints
from runner.protocol.records.progress import OnProgress
from runner.protocol.trial_file import StepLimits
from runner.trial import checkpoint

ATTEMPTS = 3  # Maximum attempts at a run after machine failures.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rehearsal:
  """A submission on a workload, to be tested before it races."""

  entry: submissions.Entry
  plan: Plan
  trial: PlannedTrial
  options: TrialOptions


class Stage(NamedTuple):
  """Folder for runs of one trial, which share compiled programs."""

  of: Rehearsal
  out: pathlib.Path
  on_progress: OnProgress

  def run(self, study: int, stops: Sequence[int], every: int) -> Status:
    """Train up to each stop in turn, in attempts of their own.

    The run starts again after a machine failure.

    Args:
      study: Number of the run.
      stops: Steps at which attempts end.
      every: Steps from one evaluation to the next.
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
    if path.exists():  # The trial resumes under new limits.
      spec = trial_file.limited(prepare.spec(path), limits)
      storage.write_json(path, trial_file.dump(spec))
    plan, options = self.of.plan, self.of.options
    folder = planned_trial.prepared(self.out, plan, trial, options, limits)
    return attempt.run_attempt(self.out, folder, self.on_progress, options)

  def folder(self, study: int) -> pathlib.Path:
    """Return the folder of a run; every run is a study."""
    return dataclasses.replace(self.of.trial, study=study).folder(self.out)

  def evaluations(self, study: int) -> list[int]:
    """Return the steps at which a run was evaluated."""
    rows = storage.read_rows(self.folder(study) / layout.EVALS)
    return [int(row[columns.STEP]) for row in rows]

  def end(self, study: int) -> tuple[Any, ...]:
    """Return a comparable summary of a run's end.

    The summary has the hash of the last state, the metrics if that state was
    not saved, or the reason if the run failed.
    """
    folder = self.folder(study)
    status = layout.status(folder)
    if status.outcome != 'ended':
      return status.outcome, status.reason
    last = checkpoint.load(folder / layout.CHECKPOINT)
    if last is not None:
      facts = checkpoints.parse(last.facts)
      if facts.steps == self.evaluations(study)[-1]:
        digest = checkpoint.digest(last.arrays)
        return f'step {facts.steps}', digest[:12], facts.tree
    row = storage.read_rows(folder / layout.EVALS)[-1]
    metrics = {name: row[name] for name in sorted(row) if '/' in name}
    return f'step {row[columns.STEP]}', metrics

  def log(self, study: int) -> str:
    """Return the text that a run has printed."""
    path = self.folder(study) / outcomes.LOG
    return path.read_text(encoding='utf-8', errors='replace')
