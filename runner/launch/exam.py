"""The second evaluation of a model that reached its target."""

import pathlib

from runner.launch import examiner as examiners, outcomes
from runner.launch.examiner import Examiner
from runner.protocol import columns, layout, results_folder
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records import ledger
from runner.protocol.records.events import Exam
from runner.protocol.records.progress import OnProgress
from runner.protocol.workload_spec import WorkloadSpec

# Nothing else scores. `verify-again` evaluates all splits.
DECISIVE = (columns.VALIDATION,)


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
  exam = examiners.examined(
    folder, spec, data_dir, examiner, on_progress, splits=DECISIVE
  )
  outcomes.judge(folder, number, exam)
  return layout.status(folder)


def _waits(folder: pathlib.Path) -> bool:
  """Return whether a finished trial has a model that was not examined."""
  if results_folder.status(folder).outcome != 'reached':
    return False
  *_, last = layout.attempts(folder)
  return not isinstance(last, Exam) or last.agrees is None
