"""Rows of a trial's CSV files: evaluations and training steps."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from runner.protocol import columns, layout, storage
from runner.protocol.timing import accounts
from runner.trial.loop import Result
from runner.trial.monitor import Scalar

Row = dict[str, Any]  # Values by column.
Fresh = Mapping[str, list[Row]]  # Rows by file that are not on the disk yet.


class Rows:
  """All rows of a trial, in memory and in its files."""

  def __init__(self, folder: pathlib.Path, attempt: int):
    """Begin without rows; the files stay as they are.

    Args:
      folder: Folder of the trial.
      attempt: Number of the attempt.
    """
    self._folder = folder
    self._attempt = attempt
    self._rows: dict[str, list[Row]] = {layout.EVALS: [], layout.SCALARS: []}

  def replace(self, rows: Mapping[str, list[Row]]) -> None:
    """Replace the rows of both files; put files aside that lose rows.

    Args:
      rows: Rows by file; a file that is missing gets none.
    """
    self._rows = {name: list(rows.get(name, [])) for name in self._rows}
    for name, kept in self._rows.items():
      names = columns.names(name, kept)
      storage.set_rows(self._folder / name, kept, names, self._attempt)

  def add(self, evals: list[Row], scalars: Sequence[Scalar]) -> Fresh:
    """Add rows in memory; return them for `append`.

    Args:
      evals: Rows of evaluations.
      scalars: Scalars of training steps.
    """
    fresh = {
      layout.EVALS: evals,
      layout.SCALARS: [training(scalar) for scalar in scalars],
    }
    for name, rows in fresh.items():
      self._rows[name].extend(rows)
    return fresh

  def append(self, fresh: Fresh) -> None:
    """Append rows to their files; an evaluation is there after its steps."""
    for name in (layout.SCALARS, layout.EVALS):
      if rows := fresh[name]:
        names = columns.names(name, self._rows[name])
        storage.append_rows(self._folder / name, rows, names)

  def copied(self) -> dict[str, list[Row]]:
    """Return the rows by file; rows that are added later are not in it."""
    return {name: rows[:] for name, rows in self._rows.items()}

  def results(self) -> list[Result]:
    """Return the evaluations so far."""
    return [
      Result(
        row[columns.STEP],
        row[columns.SCORE],
        {name: value for name, value in row.items() if '/' in name},
      )
      for row in self._rows[layout.EVALS]
    ]


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
    columns.TRACE: spent[accounts.TRACE],
    columns.COMPILE: spent[accounts.COMPILE],
    columns.DATA: spent[accounts.DATA],
    columns.VIEW: spent[accounts.VIEW],
    columns.STEP: result.step,
    columns.ATTEMPT: attempt,
    columns.SCORE: result.seconds,
    columns.TOTAL: sum(spent.values()),
  } | result.metrics


def training(scalar: Scalar) -> dict[str, Any]:
  """Return the row of one training step."""
  return {
    columns.STEP: scalar.step,
    columns.SECONDS: scalar.seconds,
  } | scalar.values
