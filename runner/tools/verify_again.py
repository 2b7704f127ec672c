"""Second evaluations of the models that a results folder has stored.

The folder may be from elsewhere. Only its plan, rows and arrays are read, and
nothing of a submission's is run.
"""

import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from runner.launch import environment, exam as exams
from runner.launch.attempt import TrialOptions
from runner.launch.examiner import Exam, Examiner
from runner.protocol import layout, results_folder
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.records import events


class Again(NamedTuple):
  """Second evaluation of one trial that reached its target.

  Attributes:
    trial: The trial, in words.
    agrees: Whether its model agrees with its rows; None: nobody knows.
    why: Why not, or why nobody knows.
    value: Metric of the target, as it was evaluated again.
  """

  trial: str
  agrees: bool | None
  why: str = ''
  value: float | None = None


def verify(
  out: pathlib.Path, plan: Plan, options: TrialOptions
) -> Iterator[Again]:
  """Evaluate every model again whose trial has reached its target.

  Args:
    out: The results folder.
    plan: Its plan.
    options: Options of trials: folder of the datasets, limit on silence.
  """
  with Examiner(environment.variables(), options.hang_timeout) as process:
    for trial in plan.trials:
      if _reached(out, plan, trial):
        yield _again(out, plan, trial, options.data_dir, process)


def text(found: list[Again]) -> str:
  """Return lines on what does not agree, and a sum."""
  words = {False: 'does not agree', None: 'was not evaluated'}
  lines = [
    f'{one.trial} {words[one.agrees]}: {one.why}'
    for one in found
    if not one.agrees
  ]
  agree = sum(one.agrees is True for one in found)
  return '\n'.join(
    [*lines, f'{agree} of {len(found)} trials that reached their target agree.']
  )


def _reached(out: pathlib.Path, plan: Plan, trial: PlannedTrial) -> bool:
  folder = trial.folder(out)
  status = results_folder.status(folder)
  spec = plan.suite.workloads.get(trial.workload)
  return status.outcome == 'reached' or (
    status.done and spec is not None and exams.met(folder, spec)
  )


def _again(
  out: pathlib.Path,
  plan: Plan,
  trial: PlannedTrial,
  data_dir: str | None,
  process: Examiner,
) -> Again:
  folder, name = trial.folder(out), str(trial.key)
  spec = plan.suite.workloads.get(trial.workload)
  if spec is None:
    return Again(name, None, f'{layout.PLAN} has no rules for its workload.')
  if not (folder / layout.REACHED).exists():
    return Again(
      name, None, f'{folder / layout.REACHED}, its model, is not there.'
    )
  exam = exams.examined(folder, spec, data_dir, process)
  agrees, why = exam.agrees, exam.why
  if agrees and _is_other(folder, exam):
    agrees, why = False, f'{layout.REACHED} was changed after the race.'
  return Again(name, agrees, why, exam.metrics.get(spec.column))


def _is_other(folder: pathlib.Path, exam: Exam) -> bool:
  """Return whether the race evaluated another model than this one again."""
  before = [
    event.sha256
    for event in events.of(events.Exam, layout.attempts(folder))
    if event.agrees
  ]
  return bool(before) and before[-1] != exam.sha256
