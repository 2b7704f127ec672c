"""Rows of a trial's CSV files: evaluations and training steps."""

from collections.abc import Mapping
from typing import Any

from runner.protocol import accounts, columns
from runner.trial.loop import Result
from runner.trial.monitor import Scalar


def evaluation(
  result: Result, spent: Mapping[str, float], attempt: int
) -> dict[str, Any]:
  """Return the row of an evaluation.

  Args:
    result: The evaluation.
    spent: Seconds by account of the clock.
    attempt: Number of attempts before this one.
  """
  return {
    columns.SECONDS: result.seconds,
    columns.EVAL: spent[accounts.EVALUATE],
    columns.LOGGING: spent[accounts.RECORD] + spent[accounts.CHECKPOINT],
    columns.COMPILE: spent[accounts.COMPILE],
    columns.DATA: spent[accounts.DATA],
    columns.VIEW: spent[accounts.VIEW],
    columns.STEP: result.step,
    columns.ATTEMPT: attempt,
    columns.SCORE: result.seconds,
    columns.TOTAL: sum(spent.values()),
  } | result.metrics


def scalars(scalar: Scalar) -> dict[str, Any]:
  """Return the row of one training step."""
  return {
    columns.STEP: scalar.step,
    columns.SECONDS: scalar.seconds,
  } | scalar.values
