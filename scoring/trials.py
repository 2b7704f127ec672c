"""What the folder of one trial tells, checked.

A trial whose files are damaged or contradict each other is neither a hit nor a
miss: its state is 'unclear', and its cell of the leaderboard stays open.
"""

import csv
import json
import math
import pathlib
from typing import Any, NamedTuple

from runner import records
from runner.rules import Row

# States beside the outcomes of records.SCORED and records.OPEN.
MISSING = 'missing'  # Planned, but nothing has been run.
UNFINISHED = 'unfinished'  # Running or interrupted; the files cannot tell.
UNCLEAR = 'unclear'

_SECONDS = 'accumulated_submission_time'
_STEP = 'global_step'


class Eval(NamedTuple):
  """One evaluation on the validation split."""

  step: int
  seconds: float  # Charged.
  value: float  # Of the workload's target metric; NaN where there is none.


class Key(NamedTuple):
  """Which trial."""

  submission: str
  workload: str
  study: int
  trial: int


class Trial(NamedTuple):
  """One training run, as its folder tells it."""

  key: Key
  folder: pathlib.Path
  state: str
  reason: str
  budget: float  # Charged seconds; inf where nothing says so.
  evals: list[Eval]
  hit: float  # Charged seconds to the target; inf: a miss, NaN: open.
  seconds: float  # Charged in all.
  accounts: dict[str, float]  # Seconds by account of the clock.
  hyperparameters: dict[str, Any]
  started: str  # UTC, of the first attempt; '' where nothing says so.
  facts: dict[str, Any]  # Machine and versions of the last attempt.

  @property
  def open(self) -> bool:
    return math.isnan(self.hit)


class Damage(ValueError):
  """A file that cannot be taken at its word; the message says why."""


def read(
  key: Key, folder: pathlib.Path, row: Row, plan: dict[str, Any] | None
) -> Trial:
  """Reads the folder of a trial; damage becomes its state.

  Args:
    key: Which trial it is.
    folder: Its folder, which need not exist.
    row: The workload in the rules to be scored by.
    plan: The trial in plan.json, with 'budget_seconds'; None where there is no
      plan, as in AlgoPerf's logs, which do not tell outcomes either.
  """
  facts: dict[str, Any] = dict(plan or {})
  status = records.Status(None, '', 0, 0.0, {})
  evals: list[Eval] = []
  started, meta = '', {}
  try:
    facts = _facts(folder, facts)
    status, started = _status(folder)
    meta = _meta(folder)
    evals = evaluations(folder / records.EVALS, row.column, status.done)
    state, reason = _state(folder, status, evals, plan is None)
  except Damage as damage:
    state, reason = UNCLEAR, str(damage)
  budget = float(facts.get('budget_seconds', math.inf))
  hit = first_hit(evals, row, budget)
  state, reason, hit = _judged(state, reason, hit, evals, row)
  return Trial(
    key,
    folder,
    state,
    reason,
    budget,
    evals,
    hit,
    max([status.seconds, *(e.seconds for e in evals[-1:])]),
    status.accounts,
    facts.get('hyperparameters', {}),
    started,
    meta,
  )


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


def _facts(folder: pathlib.Path, plan: dict[str, Any]) -> dict[str, Any]:
  """The plan's word on a trial and its trial.json's, which must agree."""
  own = _json(folder / records.TRIAL) or {}
  if plan and own and plan['id'] != own.get('id'):
    raise Damage(
      f'{records.TRIAL} is of trial {own.get("id")}, planned is {plan["id"]}.'
    )
  facts = own | plan
  if 'hyperparameters' not in facts:
    facts['hyperparameters'] = _json(folder / 'hparams.json') or {}
  if not isinstance(facts['hyperparameters'], dict):
    raise Damage('The hyperparameters are not a table.')
  if not isinstance(facts.get('budget_seconds', 0.0), int | float):
    raise Damage(f'budget_seconds is {facts["budget_seconds"]!r}.')
  return facts


def _status(folder: pathlib.Path) -> tuple[records.Status, str]:
  """The status, and when the first attempt was started."""
  try:
    status = records.status(folder)
    events = records.read_lines(folder / records.ATTEMPTS)
    starts = [e['time'] for e in events if e['event'] == 'start']
    numbers = [status.seconds, *status.accounts.values()]
    if not all(isinstance(n, int | float) and n >= 0 for n in numbers):
      raise Damage(f'{records.ATTEMPTS} has a number that is no time.')
    known = (None, *records.SCORED, *records.OPEN)
    if status.outcome not in known:
      raise Damage(f'{records.ATTEMPTS}: no outcome {status.outcome!r}.')
  except (OSError, LookupError, TypeError, AttributeError) as error:
    raise Damage(f'{records.ATTEMPTS} is damaged: {error!r}.') from error
  except ValueError as error:
    if isinstance(error, Damage):
      raise
    raise Damage(f'{records.ATTEMPTS} is damaged: {error}.') from error
  return status, str(starts[0]) if starts else ''


def _meta(folder: pathlib.Path) -> dict[str, Any]:
  paths = sorted(folder.glob('meta_data_*.json'), key=lambda p: (len(p.name), p))
  found = _json(paths[-1]) if paths else {}
  return found if isinstance(found, dict) else {}


def _json(path: pathlib.Path) -> Any:
  try:
    return records.read_json(path)
  except FileNotFoundError:
    return None
  except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
    raise Damage(f'{path.name} is damaged: {error}.') from error


def _state(
  folder: pathlib.Path,
  status: records.Status,
  evals: list[Eval],
  unplanned: bool,
) -> tuple[str, str]:
  if status.outcome is not None:
    return status.outcome, status.reason
  if status.attempts:
    return UNFINISHED, f'Attempt {status.attempts} has not ended.'
  if evals and unplanned:
    return 'budget', 'Its log tells no outcome; judged by its evaluations.'
  if evals:
    return UNCLEAR, f'It has evaluations, but no {records.ATTEMPTS}.'
  if unplanned and folder.exists():
    return MISSING, f'It has no {records.EVALS} with evaluations in it.'
  return MISSING, 'Not run.'


def _judged(
  state: str, reason: str, hit: float, evals: list[Eval], row: Row
) -> tuple[str, str, float]:
  """State, reason and time by the rules of this board."""
  if state not in records.SCORED:
    return state, reason, math.nan
  if row.target is None:
    return state, f'{row.workload} has no target yet.', math.nan
  if math.isfinite(hit):
    return 'reached', reason, hit
  met = any(row.reached(e.value) for e in evals)
  if state == 'reached' and not met:
    reason = (
      "Its outcome is 'reached', but no evaluation meets "
      f'{row.metric} {row.target}: it ran for another target, or a part of '
      f'{records.EVALS} is lost.'
    )
    return UNCLEAR, reason, math.nan
  if met:
    return 'budget', 'It reached the target after its budget was spent.', hit
  if not evals and state in ('budget', 'ended'):
    return state, f'{reason} It was never evaluated.', hit
  return state, reason, hit
