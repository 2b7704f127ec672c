"""The evaluations of a trial, from its eval_measurements.csv."""

import csv
import math
import pathlib
from typing import NamedTuple

from runner.rules import Row

_SECONDS = 'accumulated_submission_time'
_STEP = 'global_step'


class Eval(NamedTuple):
  """One evaluation on the validation split."""

  step: int
  seconds: float  # Charged.
  value: float  # Of the workload's target metric; NaN where there is none.


class Damage(ValueError):
  """A file that cannot be taken at its word; the message says why."""


def first_hit(evals: list[Eval], row: Row, budget: float) -> float:
  """Charged seconds of the first evaluation that meets the target in time."""
  for e in evals:
    if row.reached(e.value):
      return e.seconds if e.seconds <= budget else math.inf
  return math.inf


def evaluations(
  path: pathlib.Path, column: str, ended: bool = False
) -> list[Eval]:
  """The evaluations of a trial, in the order in which they were made.

  Args:
    path: An eval_measurements.csv, which need not exist.
    column: Of the target metric, such as 'validation/loss'.
    ended: Whether the last line must be whole: in a trial that has not ended,
      it may be in the middle of being written.

  Raises:
    Damage: the file is not what a trial writes.
  """
  try:
    text = path.read_text()
  except FileNotFoundError:
    return []
  except (OSError, UnicodeDecodeError) as error:
    raise Damage(f'{path.name} cannot be read: {error}.') from error
  if not text.endswith('\n'):
    if ended:
      raise Damage(f'{path.name} ends in the middle of a line.')
    text = text[: text.rfind('\n') + 1]
  try:
    lines = list(csv.reader(text.splitlines()))
  except csv.Error as error:
    raise Damage(f'{path.name} is not a CSV file: {error}.') from error
  return _checked(lines, column, path.name) if lines else []


def _checked(lines: list[list[str]], column: str, name: str) -> list[Eval]:
  header, *rows = lines
  for wanted in (_STEP, _SECONDS, column):
    if wanted not in header:
      raise Damage(f'{name} has no column {wanted!r}.')
  step, seconds, value = map(header.index, (_STEP, _SECONDS, column))
  found = []
  last = 0.0
  for number, row in enumerate(rows, start=2):
    if len(row) != len(header):
      raise Damage(
        f'{name}, line {number}: {len(row)} fields for {len(header)} columns.'
      )
    try:
      made = Eval(
        int(float(row[step])), float(row[seconds]), float(row[value] or 'nan')
      )
    except (ValueError, OverflowError) as error:
      raise Damage(f'{name}, line {number}: {error}.') from error
    if not last <= made.seconds < math.inf:
      raise Damage(
        f'{name}, line {number}: the clock says {made.seconds} s '
        f'after {last} s.'
      )
    last = made.seconds
    found.append(made)
  return found
