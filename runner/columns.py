"""Columns of a trial's files: of its evaluations, and of its training steps."""

from collections.abc import Mapping
from typing import Any

from runner import records
from runner.trial import Result
from runner.watch import Scalar


def evaluation(
  result: Result, spent: Mapping[str, float], attempt: int
) -> dict[str, Any]:
  """AlgoPerf's columns, and the accounts of ours that it does not tell.

  Args:
    result: Of the evaluation.
    spent: Seconds by account of the clock.
    attempt: How many there were before.
  """
  return {
    'accumulated_submission_time': result.seconds,
    'accumulated_eval_time': spent['evaluate'],
    'accumulated_logging_time': spent['record'] + spent['checkpoint'],
    'accumulated_compile_time': spent['compile'],
    'accumulated_data_time': spent['data'],
    'accumulated_view_time': spent['view'],
    'global_step': result.step,
    'preemption_count': attempt,
    'score': result.seconds,
    'total_duration': sum(spent.values()),
  } | result.metrics


def scalars(scalar: Scalar) -> dict[str, Any]:
  """What was recorded at a step."""
  return {
    'global_step': scalar.step,
    'accumulated_submission_time': scalar.seconds,
  } | scalar.values


def names(file: str, rows: list[dict[str, Any]]) -> list[str]:
  """Of a file, from its first row; evaluations', with all splits' metrics."""
  first = rows[0] if rows else {}
  if file == records.SCALARS:
    return list(first)
  metrics = [
    column.partition('/')[2]
    for column in first
    if column.startswith('validation/')
  ]
  return [column for column in first if '/' not in column] + [
    f'{split}/{metric}'
    for split in ('train', 'validation', 'test')
    for metric in metrics
  ]
