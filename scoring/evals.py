"""The evaluations of a trial, from its eval_measurements.csv."""

import csv
import math
import operator
import pathlib
from typing import NamedTuple

import numpy as np

from runner.rules import Row
from scoring.files import Damage, plain

_SECONDS = 'accumulated_submission_time'
_COMPILE = 'accumulated_compile_time'
_STEP = 'global_step'


class Evals(NamedTuple):
  """Evaluations on the validation split, each array [N] in float64."""

  steps: np.ndarray
  seconds: np.ndarray  # Charged.
  values: np.ndarray  # Of the target metric; NaN where there is none.
  compile: np.ndarray  # Charged seconds of compilation; NaN: not recorded.

  def __bool__(self) -> bool:
    return self.steps.size > 0


NONE = Evals(*np.empty((4, 0)))


def first_hit(evals: Evals, row: Row, budget: float = math.inf) -> int | None:
  """Which evaluation meets the target first; None if it is late, or none."""
  met = np.flatnonzero(row.reached(evals.values))
  if not met.size or evals.seconds[met[0]] > budget:
    return None
  return int(met[0])


def evaluations(
  path: pathlib.Path, column: str, ended: bool = False
) -> tuple[Evals, list[str]]:
  """The evaluations of a trial, in the order in which they were made.

  Args:
    path: An eval_measurements.csv, which need not exist.
    column: Of the target metric, such as 'validation/loss'.
    ended: Whether the last line must be whole: in a trial that has not ended,
      it may be in the middle of being written.

  Returns:
    The evaluations, and remarks on what was left out of them.

  Raises:
    Damage: the file is not what a trial writes.
  """
  try:
    text = plain(path).read_text(encoding='utf-8')
  except FileNotFoundError:
    return NONE, []
  except (OSError, UnicodeDecodeError) as error:
    raise Damage(f'{path.name} cannot be read: {error}.') from error
  if not text.endswith('\n'):
    if ended:
      raise Damage(f'{path.name} ends in the middle of a line.')
    text = text[: text.rfind('\n') + 1]
  lines = _fields(text, path.name)
  return _checked(lines, column, path.name) if lines else (NONE, [])


def _fields(text: str, name: str) -> list[list[str]]:
  if '"' not in text:  # As ever; several times faster.
    return [line.split(',') for line in text.splitlines()]
  try:
    return list(csv.reader(text.splitlines()))
  except csv.Error as error:
    raise Damage(f'{name} is not a CSV file: {error}.') from error


def _checked(
  lines: list[list[str]], column: str, name: str
) -> tuple[Evals, list[str]]:
  header, *rows = lines
  if len(set(header)) < len(header):
    raise Damage(f'{name} has two columns of the same name.')
  for wanted in (_STEP, _SECONDS, column):
    if wanted not in header:
      raise Damage(f'{name} has no column {wanted!r}.')
  if rows and set(map(len, rows)) != {len(header)}:
    number, row = next(
      (n, row) for n, row in enumerate(rows, 2) if len(row) != len(header)
    )
    raise Damage(
      f'{name}, line {number}: {len(row)} fields for {len(header)} columns.'
    )
  rows, remarks = _without_repeats(rows, header.index(_STEP), name)
  steps, seconds, values, compiled = (
    _numbers(rows, header, wanted, name)
    for wanted in (_STEP, _SECONDS, column, _COMPILE)
  )
  _check_clocks(steps, seconds, compiled, name)
  found = Evals(*map(np.array, (steps, seconds, values, compiled)))
  odd = ~np.isfinite(found.values)
  if odd.any():  # Infinity is no result either, though it would beat targets.
    found.values[odd] = np.nan
    remarks = [
      *remarks,
      f'{name}: {odd.sum()} evaluations have no number for {column}; none of '
      'them is a hit.',
    ]
  return found, remarks


def _check_clocks(
  steps: list[float], seconds: list[float], compiled: list[float], name: str
) -> None:
  if not all(map(math.isfinite, steps)):
    raise Damage(f'{name} has an evaluation without its step.')
  if not all(map(operator.lt, steps, steps[1:])):
    raise Damage(f'{name}: the steps of its evaluations do not rise.')
  # NaN compares as false, so it is found here too.
  if not all(map(operator.le, [0.0, *seconds], [*seconds, math.inf])):
    raise Damage(
      f'{name}: the clock goes backwards or is no number, in '
      f'{", ".join(map(str, seconds))} s.'
    )
  if math.inf in seconds:
    raise Damage(f'{name}: the clock says inf s.')
  if any(value < 0 or value == math.inf for value in compiled):
    raise Damage(f'{name}: seconds of compilation that are no time.')


def _without_repeats(
  rows: list[list[str]], step: int, name: str
) -> tuple[list[list[str]], list[str]]:
  """A row that stands twice counts once; two that differ are damage."""
  known = {row[step]: row for row in rows}
  if len(known) == len(rows):
    return rows, []
  for number, row in enumerate(rows, start=2):
    if known[row[step]] != row:
      raise Damage(
        f'{name}, line {number}: another evaluation of step {row[step]}, '
        'with other figures.'
      )
  repeats = len(rows) - len(known)
  return list(known.values()), [
    f'{name}: {repeats} repeated rows were counted once.'
  ]


def _numbers(
  rows: list[list[str]], header: list[str], column: str, name: str
) -> list[float]:
  """Of one column, all NaN if the file has none like that."""
  if column not in header:
    return [math.nan] * len(rows)
  at = header.index(column)
  fields = [row[at] or 'nan' for row in rows]
  if '_' in ''.join(fields):  # Python takes 1_5 for 15; nobody writes it.
    raise Damage(f'{name}, column {column}: a number with an underscore.')
  try:
    return list(map(float, fields))
  except ValueError as error:
    raise Damage(f'{name}, column {column}: {error}.') from error
