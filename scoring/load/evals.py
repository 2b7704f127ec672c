"""The evaluations of a trial, from its eval_measurements.csv."""

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
  seconds: np.ndarray  # Charged.
  values: np.ndarray  # Of the target metric; NaN where there is none.
  compile: np.ndarray  # Charged seconds of compilation; NaN: not recorded.

  def __bool__(self) -> bool:
    return self.steps.size > 0


NONE = Evals(*np.empty((4, 0)))


def first_hit(
  evals: Evals, row: WorkloadSpec, budget: float = math.inf
) -> int | None:
  """Which evaluation meets the target first; None if it is late, or none."""
  met = np.flatnonzero(row.reached(evals.values))
  if not met.size or evals.seconds[met[0]] > budget:
    return None
  return int(met[0])


class Found(NamedTuple):
  """What a file of evaluations holds."""

  evals: Evals
  remarks: list[str]  # On what was left out, or taken without its end.
  unsure: bool = False  # Whether a part of a last line may have been a hit.


NOTHING = Found(NONE, [])


def evaluations(
  path: pathlib.Path, row: WorkloadSpec, running: bool = False
) -> Found:
  """The evaluations of a trial, in the order in which they were made.

  Args:
    path: An eval_measurements.csv, which need not exist.
    row: The workload in the rules to be scored by: its target metric.
    running: Whether the last line may be in the middle of being written.

  Raises:
    Damage: the file is not what a trial writes.
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
  if '"' not in text:  # As ever; several times faster.
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
    raise Damage(f'{name} has two columns of the same name.')
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
      f'{name}, line {number}: {len(odd)} fields for {len(header)} columns.'
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
  if odd.any():  # Infinity is no result either, though it would beat targets.
    found.values[odd] = np.nan
    remarks.append(
      f'{name}: {odd.sum()} evaluations have no number for {row.column}; none '
      'of them is a hit.'
    )
  return Found(found, remarks, unsure)


def _ended(
  header: list[str], rows: list[list[str]], row: WorkloadSpec, name: str
) -> tuple[list[list[str]], list[str], bool]:
  """Rows of which the last has no end: with it, as far as it is known.

  Returns:
    The rows, remarks, and whether the one left out may have been a hit.
  """
  *whole, last = rows
  padded = last + [''] * (len(header) - len(last))
  clock = [header.index(columns.STEP), header.index(columns.SECONDS)]
  value = header.index(row.column)
  if last_line.known(last, [*clock, value]):
    remark = f'{name}: its last line has no end, but all that counts.'
    return [*whole, padded], [remark], False
  if last_line.known(last, clock) and value == len(last) - 1:
    low, high = last_line.completions(last[value])
    if row.reached(low) == row.reached(high):
      remark = (
        f'{name}: its last line has no end; whatever came there, '
        f'{row.column} = {last[value]} says the same of the target.'
      )
      return [*whole, padded], [remark], False
  remark = f'{name} ends in the middle of a line, which was left out.'
  return whole, [remark], True


def _check_range(evals: Evals, row: WorkloadSpec, name: str) -> None:
  for step, value in zip(evals.steps, evals.values, strict=True):
    if math.isfinite(value) and not metrics.possible(row.metric, value):
      raise Damage(
        f'{name}, step {step:g}: {row.column} = {value:g}, and {row.metric} is '
        f'{metrics.range_of(row.metric)}.'
      )


def _check_clocks(
  steps: list[float], seconds: list[float], compiled: list[float], name: str
) -> None:
  if not all(map(math.isfinite, steps)):
    raise Damage(f'{name} has an evaluation without its step.')
  for step in steps:
    if step < 0 or step != int(step):
      raise Damage(f'{name}: {step:g} is no number of steps.')
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
  together = ''.join(fields)
  if '_' in together:  # Python takes 1_5 for 15; nobody writes it.
    raise Damage(f'{name}, column {column}: a number with an underscore.')
  if not together.isascii():  # Python reads the digits of all scripts.
    odd = next(field for field in fields if not field.isascii())
    raise Damage(f'{name}, column {column}: {odd!r} is no number in ASCII.')
  try:
    return list(map(float, fields))
  except ValueError as error:
    raise Damage(f'{name}, column {column}: {error}.') from error
