"""Read a trial's evaluations from its eval_measurements.csv."""

import csv
import math
import operator
import pathlib
from typing import NamedTuple

import numpy as np

from runner.protocol import columns, metrics
from runner.protocol.workload_spec import WorkloadSpec
from scoring.load import last_line
from scoring.load.safe_files import Damage, plain


class Evals(NamedTuple):
  """Evaluations on the validation split, each array [N] in float64."""

  steps: np.ndarray
  seconds: np.ndarray  # Charged seconds.
  values: np.ndarray  # Target metric, NaN if missing.
  compile: np.ndarray  # Charged seconds of compilation, NaN if not recorded.

  def __bool__(self) -> bool:
    return self.steps.size > 0


NONE = Evals(*np.empty((4, 0)))


def first_hit(
  evals: Evals, row: WorkloadSpec, budget: float = math.inf
) -> int | None:
  """Return the index of the first evaluation that meets the target.

  Args:
    evals: The trial's evaluations.
    row: The workload's target and metric.
    budget: Charged seconds after which a hit does not count.

  Returns:
    The index, or None if no evaluation within the budget meets the target.
  """
  met = np.flatnonzero(row.reached(evals.values))
  if not met.size or evals.seconds[met[0]] > budget:
    return None
  return int(met[0])


class Found(NamedTuple):
  """Content of one file of evaluations."""

  evals: Evals
  remarks: list[str]  # Rows left out, and a last line used though cut short.
  unsure: bool = False  # True if a last line that was left out may be a hit.


NOTHING = Found(NONE, [])


def evaluations(
  path: pathlib.Path, row: WorkloadSpec, running: bool = False
) -> Found:
  """Return a trial's evaluations in the order of the file.

  Args:
    path: An eval_measurements.csv, which need not exist.
    row: The workload of the suite to score by; names the target metric.
    running: True if the trial may still be writing the last line.

  Raises:
    Damage: The file is not what a trial writes.
  """
  try:
    text = plain(path).read_text(encoding='utf-8')
  except FileNotFoundError:
    return NOTHING
  except (OSError, UnicodeDecodeError) as error:
    raise Damage(f'{path.name} cannot be read: {error}.') from error
  ended = text.endswith('\n')
  if not ended and running:
    text, ended = text[: text.rfind('\n') + 1], True
  if not ended and text and '\n' not in text:
    raise Damage(f'{path.name} ends in the middle of its header.')
  lines = _fields(text, path.name)
  return _checked(lines, row, path.name, ended) if lines else NOTHING


def _fields(text: str, name: str) -> list[list[str]]:
  if '"' not in text:  # Our runner never quotes; several times faster.
    return [line.split(',') for line in text.splitlines()]
  try:
    return list(csv.reader(text.splitlines()))
  except csv.Error as error:
    raise Damage(f'{name} is not a CSV file: {error}.') from error


def _checked(
  lines: list[list[str]], row: WorkloadSpec, name: str, ended: bool
) -> Found:
  header, *rows = lines
  if len(set(header)) < len(header):
    raise Damage(f'{name} has two columns of the same name: {header}.')
  for wanted in (columns.STEP, columns.SECONDS, row.column):
    if wanted not in header:
      raise Damage(f'{name} has no column {wanted!r}.')
  remarks, unsure = [], False
  if not ended and rows:
    rows, remarks, unsure = _ended(header, rows, row, name)
  if rows and set(map(len, rows)) != {len(header)}:
    number, odd = next(
      (n, fields)
      for n, fields in enumerate(rows, 2)
      if len(fields) != len(header)
    )
    raise Damage(
      f'{name}, line {number}: {len(odd)} fields, but the header has '
      f'{len(header)} columns.'
    )
  rows, repeated = _without_repeats(rows, header.index(columns.STEP), name)
  steps, seconds, values, compiled = (
    _numbers(rows, header, wanted, name)
    for wanted in (columns.STEP, columns.SECONDS, row.column, columns.COMPILE)
  )
  _check_clocks(steps, seconds, compiled, name)
  found = Evals(*map(np.array, (steps, seconds, values, compiled)))
  _check_range(found, row, name)
  remarks += repeated
  odd = ~np.isfinite(found.values)
  if odd.any():  # Infinity is invalid too, though it would meet some targets.
    found.values[odd] = np.nan
    remarks.append(
      f'{name}: {odd.sum()} evaluations have no number for {row.column}; none '
      'of them is a hit.'
    )
  return Found(found, remarks, unsure)


def _ended(
  header: list[str], rows: list[list[str]], row: WorkloadSpec, name: str
) -> tuple[list[list[str]], list[str], bool]:
  """Keep a last row without a line end if its missing end cannot matter.

  Returns:
    The rows, remarks, and True if a row that was left out may be a hit.
  """
  *whole, last = rows
  padded = last + [''] * (len(header) - len(last))
  clock = [header.index(columns.STEP), header.index(columns.SECONDS)]
  value = header.index(row.column)
  if last_line.known(last, [*clock, value]):
    remark = (
      f'{name}: its last line has no end. The fields that count are complete.'
    )
    return [*whole, padded], [remark], False
  if last_line.known(last, clock) and value == len(last) - 1:
    low, high = last_line.completions(last[value])
    if row.reached(low) == row.reached(high):
      remark = (
        f'{name}: its last line has no end. Further digits of '
        f'{row.column} = {last[value]} cannot change whether the target is '
        'met.'
      )
      return [*whole, padded], [remark], False
  remark = f'{name} ends in the middle of a line, which was left out.'
  return whole, [remark], True


def _check_range(evals: Evals, row: WorkloadSpec, name: str) -> None:
  for step, value in zip(evals.steps, evals.values, strict=True):
    if math.isfinite(value) and not metrics.possible(row.metric, value):
      raise Damage(
        f'{name}, step {step:g}: {row.column} = {value:g}, but {row.metric} is '
        f'always {metrics.range_of(row.metric)}.'
      )


def _check_clocks(
  steps: list[float], seconds: list[float], compiled: list[float], name: str
) -> None:
  if not all(map(math.isfinite, steps)):
    raise Damage(f'{name} has an evaluation without a number of steps.')
  for step in steps:
    if step < 0 or step != int(step):
      raise Damage(f'{name}: {step:g} is not a number of steps.')
  if not all(map(operator.lt, steps, steps[1:])):
    raise Damage(f'{name}: steps must increase from row to row, but do not.')
  # Comparisons with NaN are false, so this finds NaN too.
  if not all(map(operator.le, [0.0, *seconds], [*seconds, math.inf])):
    raise Damage(
      f'{name}: charged seconds must be numbers that never decrease, but are '
      f'{", ".join(map(str, seconds))}.'
    )
  if math.inf in seconds:
    raise Damage(f'{name}: charged seconds are infinite.')
  if any(value < 0 or value == math.inf for value in compiled):
    raise Damage(f'{name}: seconds of compilation are negative or infinite.')


def _without_repeats(
  rows: list[list[str]], step: int, name: str
) -> tuple[list[list[str]], list[str]]:
  """Drop repeated rows. Two different rows of one step are damage."""
  known = {row[step]: row for row in rows}
  if len(known) == len(rows):
    return rows, []
  for number, row in enumerate(rows, start=2):
    if known[row[step]] != row:
      raise Damage(
        f'{name}, line {number}: a second evaluation of step {row[step]} with '
        'other values.'
      )
  repeats = len(rows) - len(known)
  return list(known.values()), [
    f'{name}: {repeats} repeated rows were counted once.'
  ]


def _numbers(
  rows: list[list[str]], header: list[str], column: str, name: str
) -> list[float]:
  """Return one column as floats; all NaN if the file lacks this column."""
  if column not in header:
    return [math.nan] * len(rows)
  at = header.index(column)
  fields = [row[at] or 'nan' for row in rows]
  together = ''.join(fields)
  if '_' in together:  # Python reads 1_5 as 15, but no trial writes it.
    odd = next(field for field in fields if '_' in field)
    raise Damage(f'{name}, column {column}: {odd!r} has an underscore.')
  if not together.isascii():  # Python reads the digits of all scripts.
    odd = next(field for field in fields if not field.isascii())
    raise Damage(f'{name}, column {column}: {odd!r} has non-ASCII characters.')
  try:
    return list(map(float, fields))
  except ValueError as error:
    raise Damage(f'{name}, column {column}: {error}.') from error
