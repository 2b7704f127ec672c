"""The second evaluation of a model that reached its target."""

import csv
import math
import pathlib
import stat
import time
from collections.abc import Collection, Mapping

from runner.launch import examiner as examiners, outcomes
from runner.launch.examiner import Examiner
from runner.protocol import (
  agreement,
  columns,
  layout,
  results_folder,
  storage,
)
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records import exams, ledger
from runner.protocol.records.events import Exam
from runner.protocol.records.exams import Request
from runner.protocol.records.progress import OnProgress, ProgressEvent
from runner.protocol.suites.workload_spec import WorkloadSpec

# Nothing else scores. `verify-again` evaluates all splits.
DECISIVE = (columns.VALIDATION,)


class RecordedError(ValueError):
  """The evaluations of a trial cannot be right; the message says why."""


def examine(
  out: pathlib.Path,
  plan: Plan,
  trial: PlannedTrial,
  on_progress: OnProgress,
  data_dir: str | None,
  *,
  examiner: Examiner,
) -> Status | None:
  """Evaluate a model again whose trial was not examined before it was done.

  Its runner was stopped then, or data were missing.

  Args:
    out: The results folder.
    plan: Its plan.
    trial: One of the plan's trials.
    on_progress: Called with every progress event.
    data_dir: Folder of the datasets; None: the default one.
    examiner: What evaluates.

  Returns:
    The new status; None where there is nothing to do.
  """
  folder = trial.folder(out)
  if not (folder / layout.REACHED).is_file() or not _waits(folder):
    return None
  with results_folder.held(folder) as lock:
    if lock is None:
      return None
    spec = plan.suite.workloads[trial.workload]
    status = judged(folder, spec, on_progress, data_dir, examiner)
    ledger.add(out, folder, status.outcome)
    return status


def judged(
  folder: pathlib.Path,
  spec: WorkloadSpec,
  on_progress: OnProgress,
  data_dir: str | None,
  examiner: Examiner,
) -> Status:
  """Evaluate the model of the last attempt again; return the new status.

  Args:
    folder: Folder of the trial.
    spec: The workload in the plan.
    on_progress: Called with every progress event.
    data_dir: Folder of the datasets; None: the default one.
    examiner: What evaluates.
  """
  number = layout.status(folder).last
  exam = examined(
    folder, spec, data_dir, examiner, on_progress, splits=DECISIVE
  )
  outcomes.judge(folder, number, exam)
  return layout.status(folder)


def examined(
  folder: pathlib.Path,
  spec: WorkloadSpec,
  data_dir: str | None,
  examiner: Examiner,
  on_progress: OnProgress = lambda event: None,
  splits: Collection[str] = columns.SPLITS,
) -> examiners.Exam:
  """Evaluate the model in the folder of a trial again; compare.

  Nothing that the process of the trial could write decides how.

  Args:
    folder: The trial's folder.
    spec: The workload in the suite.
    data_dir: Folder of the datasets; None: the default one.
    examiner: What evaluates.
    on_progress: Called with signs of life.
    splits: Splits to evaluate on, as far as the trial has recorded them.
  """
  began = time.monotonic()
  try:
    step, found = _last(folder, spec)
  except RecordedError as error:
    return examiners.Exam(False, str(error))
  recorded = agreement.on(found, splits)
  request = Request(
    model=str((folder / layout.REACHED).absolute()),
    step=step,
    spec=spec,
    data_dir=data_dir,
    splits=tuple(
      split
      for split in columns.SPLITS
      if any(name.startswith(f'{split}/') for name in recorded)
    ),
  )
  on_progress(ProgressEvent(doing=exams.DOING))
  answer = examiner.examine(request, on_progress)
  seconds = time.monotonic() - began
  if answer.failed:
    return examiners.Exam(None, answer.failed, seconds=seconds)
  if answer.unfit:
    why = f'{layout.REACHED}, the model that reached the target: {answer.unfit}'
    return examiners.Exam(False, why, seconds=seconds)
  metrics = answer.metrics or {}
  why = agreement.difference(recorded, metrics)
  return examiners.Exam(not why, why, metrics, seconds, answer.sha256)


def met(folder: pathlib.Path, spec: WorkloadSpec) -> bool:
  """Return whether a trial has recorded that its target is reached."""
  try:
    rows = _rows(folder)
    return any(_reaches(row, spec) for row in rows)
  except RecordedError:
    return False  # Scoring says what is damaged.


def _last(
  folder: pathlib.Path, spec: WorkloadSpec
) -> tuple[int, dict[str, float]]:
  """Step and metrics of the evaluation that reached the target.

  Raises:
    RecordedError: there is none, or not as the last and only one.
  """
  rows = _rows(folder)
  if not rows or not _reaches(rows[-1], spec):
    raise RecordedError(
      f'The last row of {layout.EVALS} does not reach {spec.metric} '
      f'{spec.target}.'
    )
  for row in rows[:-1]:
    if _reaches(row, spec):
      raise RecordedError(
        f'{layout.EVALS} reaches {spec.metric} {spec.target} at step '
        f'{row.get(columns.STEP)}, and goes on: a trial ends there.'
      )
  try:
    return int(rows[-1][columns.STEP]), agreement.recorded(rows[-1])
  except (ValueError, LookupError, TypeError) as error:
    raise RecordedError(f'{layout.EVALS} is damaged: {error}.') from error


def _rows(folder: pathlib.Path) -> list[dict[str, str]]:
  """Rows of the evaluations, from a file that a trial may have replaced."""
  path = folder / layout.EVALS
  try:
    known = path.lstat()
    ours = stat.S_ISREG(known.st_mode) and known.st_size <= storage.LARGEST
    rows = storage.read_rows(path) if ours else None
  except FileNotFoundError:
    return []
  except (OSError, ValueError, csv.Error) as error:
    raise RecordedError(f'{layout.EVALS} is damaged: {error}.') from error
  if rows is None:
    raise RecordedError(f'{layout.EVALS} is no file, or too large to be ours.')
  return rows


def _reaches(row: Mapping[str, str], spec: WorkloadSpec) -> bool:
  try:
    value = float(row.get(spec.column) or math.nan)
  except (TypeError, ValueError):
    return False
  return bool(spec.reached(value))


def _waits(folder: pathlib.Path) -> bool:
  """Return whether a finished trial has a model that was not examined."""
  if results_folder.status(folder).outcome != 'reached':
    return False
  *_, last = layout.attempts(folder)
  return not isinstance(last, Exam) or last.agrees is None
