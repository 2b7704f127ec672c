"""Read a trial's evaluations from its eval_measurements.csv."""

import csv
import math
import operator
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from runner.protocol import columns
from runner.protocol.suites import metrics
from runner.protocol.suites.workload_spec import WorkloadSpec
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

  def first(self, count: int) -> 'Evals':
    """Return the first `count` evaluations."""
    return Evals(*(column[:count] for column in self))


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
  met = row.reached(evals.values).nonzero()[0]
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
  path: pathlib.Path, rungs: Sequence[WorkloadSpec], running: bool = False
) -> Found:
  """Return a trial's evaluations in the order of the file.

  Args:
    path: An eval_measurements.csv, which need not exist.
    rungs: The workload with each target of the suite to score by.
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
  lines = text.splitlines()
  if not lines:
    return NOTHING
  # One search of the whole text is faster than a search of each column.
  strange = not text.isascii() or text.find('_', len(lines[0])) >= 0
  rows = _fields(lines, '"' in text, path.name)
  return _checked(rows, rungs, path.name, ended, strange)


def _fields(lines: list[str], quoted: bool, name: str) -> list[list[str]]:
  if not quoted:  # Our runner never quotes; several times faster.
    return [line.split(',') for line in lines]
  try:
    return list(csv.reader(lines))
  except csv.Error as error:
    raise Damage(f'{name} is not a CSV file: {error}.') from error


def _checked(
  lines: list[list[str]],
  rungs: Sequence[WorkloadSpec],
  name: str,
  ended: bool,
  strange: bool,
) -> Found:
  row, (header, *rows) = rungs[0], lines
  if len(set(header)) < len(header):
    raise Damage(f'{name} has two columns of the same name: {header}.')
  for wanted in (columns.STEP, columns.SECONDS, row.column):
    if wanted not in header:
      raise Damage(f'{name} has no column {wanted!r}.')
  remarks, unsure = [], False
  if not ended and rows:
    rows, remarks, unsure = _ended(header, rows, rungs, name)
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
  fields = dict(zip(header, zip(*rows, strict=True), strict=bool(rows)))
  steps, seconds, values, compiled = (
    _numbers(fields.get(wanted), len(rows), wanted, name, strange)
    for wanted in (columns.STEP, columns.SECONDS, row.column, columns.COMPILE)
  )
  _check_clocks(steps, seconds, compiled, name)
  remarks += repeated
  numbers = [value for value in values if math.isfinite(value)]
  _check_range(steps, values, numbers, row, name)
  if len(numbers) < len(values):  # Infinity would meet some targets.
    values = [v if math.isfinite(v) else math.nan for v in values]
    remarks.append(
      f'{name}: {len(values) - len(numbers)} evaluations have no number for '
      f'{row.column}; none of them is a hit.'
    )
  found = Evals(*np.array((steps, seconds, values, compiled)))
  return Found(found, remarks, unsure)


def _ended(
  header: list[str],
  rows: list[list[str]],
  rungs: Sequence[WorkloadSpec],
  name: str,
) -> tuple[list[list[str]], list[str], bool]:
  """Keep a last row without a line end if its missing end cannot matter.

  Returns:
    The rows, remarks, and True if a row that was left out may be a hit.
  """
  (*whole, last), row = rows, rungs[0]
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
    if all(rung.reached(low) == rung.reached(high) for rung in rungs):
      remark = (
        f'{name}: its last line has no end. Further digits of '
        f'{row.column} = {last[value]} cannot change whether the target is '
        'met.'
      )
      return [*whole, padded], [remark], False
  remark = f'{name} ends in the middle of a line, which was left out.'
  return whole, [remark], True


def _check_range(
  steps: list[float],
  values: list[float],
  numbers: list[float],
  row: WorkloadSpec,
  name: str,
) -> None:
  """Raise Damage if one of the `numbers`, the finite values, is impossible."""
  ends = (min(numbers), max(numbers)) if numbers else ()
  if all(metrics.possible(row.metric, end) for end in ends):
    return
  for step, value in zip(steps, values, strict=True):
    if math.isfinite(value) and not metrics.possible(row.metric, value):
      raise Damage(
        f'{name}, step {step:g}: {row.column} = {value:g}, but {row.metric} is '
        f'always {metrics.range_of(row.metric)}.'
      )


def _check_clocks(
  steps: list[float], seconds: list[float], compiled: list[float], name: str
) -> None:
  if not all(map(float.is_integer, steps)) or min(steps, default=0) < 0:
    raise Damage(_no_steps(steps, name))
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


def _no_steps(steps: list[float], name: str) -> str:
  """Return what is wrong with steps that are not whole numbers from 0 on."""
  if not all(map(math.isfinite, steps)):
    return f'{name} has an evaluation without a number of steps.'
  odd = next(step for step in steps if step < 0 or not step.is_integer())
  return f'{name}: {odd:g} is not a number of steps.'


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
  fields: tuple[str, ...] | None,
  count: int,
  column: str,
  name: str,
  strange: bool,
) -> list[float]:
  """Return one column as floats; all NaN if the file lacks this column.

  Args:
    fields: The column's fields; None if the file lacks this column.
    count: Number of rows.
    column: The column's name, for messages.
    name: The file's name, for messages.
    strange: True if a field may have characters that numbers never have.
  """
  if fields is None:
    return [math.nan] * count
  if strange:
    _check_characters(fields, column, name)
  if '' in fields:
    fields = tuple(field or 'nan' for field in fields)
  try:
    return list(map(float, fields))
  except ValueError as error:
    raise Damage(f'{name}, column {column}: {error}.') from error


def _check_characters(fields: tuple[str, ...], column: str, name: str) -> None:
  """Raise Damage at numbers that Python reads, but no trial writes."""
  for field in fields:  # Python reads 1_5 as 15.
    if '_' in field:
      raise Damage(f'{name}, column {column}: {field!r} has an underscore.')
  for field in fields:  # Python reads the digits of all scripts.
    if not field.isascii():
      raise Damage(
        f'{name}, column {column}: {field!r} has non-ASCII characters.'
      )
