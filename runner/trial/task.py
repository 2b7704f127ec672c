"""Task of a trial: its workload, data, target and evaluations."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from runner.protocol import columns
from runner.protocol.records.progress import OnProgress, ProgressEvent
from runner.protocol.suites.workload_spec import WorkloadSpec
from runner.protocol.trial_file import Budget, TrialSpec
from runner.trial import devices, evaluate
from runner.trial.loop import Leaving, Metrics
from submissions.algoperf.goal import Goal
from submissions.submission import Task
from workloads import batches
from workloads.workload import Model, Source, Workload

RECORDS = 200  # Scalars recorded over the step budget.


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialTask:
  """A workload with its data by split and its row in the suite."""

  workload: Workload
  sources: Mapping[str, Source]
  spec: WorkloadSpec

  @property
  def examples(self) -> dict[str, int]:
    """Number of examples of each split."""
    return {split: len(source) for split, source in self.sources.items()}

  def reached(self, metrics: Metrics) -> bool:
    """Test whether metrics of an evaluation reach the target."""
    return bool(self.spec.reached(metrics[self.spec.column]))


def record_every(spec: WorkloadSpec) -> int:
  """Return the number of steps between records, in whole dispatches."""
  dispatches = spec.steps // spec.steps_per_dispatch
  return spec.steps_per_dispatch * max(1, dispatches // RECORDS)


def read(trial: TrialSpec) -> TrialTask:
  """Return the task of a trial, with its data."""
  workload, sources = evaluate.data(trial.spec, trial.data_dir)
  return TrialTask(workload=workload, sources=sources, spec=trial.spec)


def padding(task: TrialTask, seed: int) -> float:
  """Return the share of padding in a batch of the workload's own size.

  Args:
    task: The task.
    seed: Seed of the order of examples.
  """
  rows = devices.rows(task.spec.batch_size)
  batch = batches.train_batch(
    task.sources[columns.TRAIN], seed, rows.start, rows.stop - rows.start
  )
  return float(task.workload.padding(batch))


def for_submission(task: TrialTask) -> Task:
  """Return the task as a submission sees it: it is not told the world."""
  spec = task.spec
  workload: Any = task.workload
  if spec.world:
    workload = dataclasses.replace(workload, world=0)
  return Task(
    workload=workload,
    steps=spec.steps,
    batch_size=spec.batch_size,
    train_examples=task.examples[columns.TRAIN],
    per_dispatch=spec.steps_per_dispatch,
    record_every=record_every(spec),
  )


def goal(
  task: TrialTask,
  budget: Budget,
  evaluated: Callable[[Model, str], Metrics],
  accounts: Callable[[], Mapping[str, float]],
) -> Goal:
  """Return what AlgoPerf's interface gives a submission besides the task.

  Args:
    task: The task.
    budget: The trial's budget.
    evaluated: Evaluates a model on a split.
    accounts: Returns the seconds of the clock's accounts.
  """
  spec = task.spec
  return Goal(
    workload=spec.workload,
    metric=spec.metric,
    lower=spec.better == 'lower',
    target=spec.target,
    test_target=spec.test_target,
    seconds=budget.seconds,
    eval_seconds=budget.eval_seconds,
    eval_batch_size=spec.eval_batch_size,
    examples=task.examples | {columns.TRAIN: spec.train_examples},
    evaluate=evaluated,
    accounts=accounts,
  )


def metrics(
  task: TrialTask,
  model: Model,
  split: str,
  on_progress: OnProgress,
  leaving: Callable[[], bool],
) -> Metrics:
  """Evaluate a model on one split.

  Args:
    task: The task.
    model: The model.
    split: 'train', 'validation' or 'test'.
    on_progress: Called with every progress event.
    leaving: Returns whether the trial is asked to leave the machine.

  Raises:
    Leaving: the trial is asked to leave the machine.
  """
  doing = f'evaluating {split}'
  event = ProgressEvent(doing=doing)
  on_progress(event)

  def alive() -> None:
    if leaving():
      raise Leaving(f'Asked to leave while {doing}.')
    on_progress(event)

  return evaluate.split_metrics(
    task.workload,
    model,
    source=task.sources[split],
    spec=task.spec,
    split=split,
    alive=alive,
  )
