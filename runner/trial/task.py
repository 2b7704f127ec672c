"""What a trial trains, on which data, and how its models are judged."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import workloads
from runner.protocol import suite
from runner.protocol.suite import WorkloadSpec
from runner.trial import evaluate
from runner.trial.loop import Budget, Leaving, Metrics
from submissions.algoperf.goal import Goal
from submissions.submission import Task
from workloads.workload import Model, Source, Workload

RECORDS = 200  # Scalars recorded over the step budget.

Tell = Callable[[dict[str, Any]], None]


class Problem(NamedTuple):
  """A workload, its data and its row in the rules."""

  workload: Workload
  sources: dict[str, Source]  # By split.
  row: WorkloadSpec


def record_every(row: WorkloadSpec) -> int:
  """Steps from one record of scalars to the next: whole dispatches."""
  dispatches = row.steps // row.steps_per_dispatch
  return row.steps_per_dispatch * max(1, dispatches // RECORDS)


def read(trial: dict[str, Any]) -> Problem:
  """Of a trial as its folder tells it."""
  row = suite.row(trial['workload'], trial['row'])
  workload = workloads.get(row.workload, row.quirks)
  workload = workload.with_text(trial['data_dir'])
  sources = {
    split: workload.source(split, trial['data_dir'])
    for split in ('train', 'validation', 'test')
  }
  return Problem(workload, sources, row)


def task(problem: Problem) -> Task:
  """As much of it as submissions are told."""
  row = problem.row
  return Task(
    problem.workload,
    row.steps,
    row.batch_size,
    len(problem.sources['train']),
    row.steps_per_dispatch,
    record_every(row),
  )


def goal(
  problem: Problem,
  budget: Budget,
  examined: Callable[[Model, str], Metrics],
  accounts: Callable[[], Mapping[str, float]],
) -> Goal:
  """What submissions to AlgoPerf hear; those of ours do not."""
  row, sources = problem.row, problem.sources
  return Goal(
    row.workload,
    row.metric,
    row.better == 'lower',
    row.target,
    row.test_target,
    budget.seconds,
    budget.eval_seconds,
    row.eval_batch_size,
    {name: len(source) for name, source in sources.items()}
    | {'train': row.train_examples},
    examined,
    accounts,
  )


def metrics(
  problem: Problem,
  model: Model,
  split: str,
  tell: Tell,
  leaving: Callable[[], bool],
) -> Metrics:
  """Of a split; gives up where the machine is wanted back."""
  doing = {'doing': f'evaluating {split}'}
  tell(doing)

  def alive() -> None:
    if leaving():
      raise Leaving(f'Asked to leave while {doing["doing"]}.')
    tell(doing)

  row, source = problem.row, problem.sources[split]
  most = row.train_examples if split == 'train' else row.eval_examples
  limit = len(source) if most is None else most
  found = evaluate.evaluate(
    problem.workload,
    model,
    source,
    row.eval_batch_size,
    limit,
    alive,
  )
  named = {f'{split}/{name}': value for name, value in found.items()}
  return named | {f'{split}/num_examples': min(limit, len(source))}
