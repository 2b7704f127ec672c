"""What the folder of one trial tells, checked.

A trial whose files are damaged or contradict each other is neither a hit nor a
miss: its state is 'unclear', and its cell of the leaderboard stays open.
"""

import json
import math
import pathlib
from typing import Any, NamedTuple

from runner import records
from runner.rules import Row
from scoring.evals import Damage, Eval, evaluations, first_hit

# States beside the outcomes of records.SCORED and records.OPEN.
MISSING = 'missing'  # Planned, but nothing has been run.
UNFINISHED = 'unfinished'  # Running or interrupted; the files cannot tell.
UNCLEAR = 'unclear'


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
  paths = sorted(
    folder.glob('meta_data_*.json'), key=lambda p: (len(p.name), p)
  )
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
  met = any(row.reached(e.value) for e in evals)
  if math.isfinite(hit):
    state = 'reached'
  elif met:
    state = 'budget'
    reason = 'It reached the target after its budget was spent.'
  elif state == 'reached':
    state, hit = UNCLEAR, math.nan
    reason = (
      "Its outcome is 'reached', but no evaluation meets "
      f'{row.metric} {row.target}: it ran for another target, or a part of '
      f'{records.EVALS} is lost.'
    )
  elif not evals and state in ('budget', 'ended'):
    reason = f'{reason} It was never evaluated.'
  return state, reason, hit
