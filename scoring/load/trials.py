"""Read and check the folder of one trial.

A trial whose files are damaged or contradict each other is neither a hit nor a
miss. Its state is 'unclear', and its cell of the leaderboard stays open.
"""

import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from runner.protocol import layout, storage
from runner.protocol.plan import PlannedTrial, TrialKey
from runner.protocol.suites.workload_spec import WorkloadSpec
from scoring.load.evals import (
  NONE,
  NOTHING,
  Found,
  evaluations,
  first_hit,
)
from scoring.load.safe_files import Damage, plain
from scoring.load.trial import MISSING, UNCLEAR, UNFINISHED, Trial


def read(
  key: TrialKey,
  folder: pathlib.Path,
  rungs: Sequence[WorkloadSpec],
  planned: PlannedTrial | None,
  budget: float | None = None,
) -> Trial:
  """Read the folder of a trial. Damage becomes the state 'unclear'.

  Args:
    key: The trial's key.
    folder: The trial's folder, which need not exist.
    rungs: The workload of the suite to score by, with the target of each rung;
      the exact target is first.
    planned: The trial in plan.json; None without a plan, as in AlgoPerf's
      logs, which do not record outcomes either.
    budget: Charged seconds; None to take the budget from trial.json.
  """
  status = layout.Status()
  found = NOTHING
  timed = True
  try:
    names = _names(folder)
    own = _own(folder, names, planned)
    timed = own.get('timed') is not False
    budget = _budget(own, budget) if timed else math.inf
    if layout.ATTEMPTS in names:
      status = _status(folder)
    if layout.EVALS in names:
      running = bool(status.attempts) and status.outcome is None
      found = evaluations(folder / layout.EVALS, rungs, running)
    state, reason = _state(names, status, found, planned is None)
  except Damage as damage:
    state, reason = UNCLEAR, str(damage)
  budget = math.inf if budget is None else budget
  evals, remarks = found.evals, found.remarks
  state, reason, hits, is_open = _judged(state, reason, found, rungs, budget)
  last = float(evals.seconds[-1]) if evals else 0.0
  return Trial(
    key=key,
    folder=folder,
    state=state,
    reason=reason,
    budget=budget,
    evals=evals,
    hits=hits,
    open=is_open,
    seconds=max(status.seconds, last),
    accounts=status.accounts,
    remarks=remarks,
    kinds=status.kinds if timed else frozenset(),
    timed=timed,
    hopeless=status.hopeless,
  )


def missing(key: TrialKey, folder: pathlib.Path) -> Trial:
  """Return a trial that was not run, without reading its folder."""
  return Trial(
    key=key,
    folder=folder,
    state=MISSING,
    reason='Not run.',
    budget=math.inf,
    evals=NONE,
    hits=(),
    open=True,
    seconds=0.0,
    accounts={},
    remarks=[],
  )


def _names(folder: pathlib.Path) -> frozenset[str]:
  """Return the folder's file names, by one system call for all files."""
  try:
    return frozenset(os.listdir(folder))
  except FileNotFoundError:
    return frozenset()
  except OSError as error:
    raise Damage(f'The folder cannot be read: {error.strerror}.') from error


def _own(
  folder: pathlib.Path, names: frozenset[str], planned: PlannedTrial | None
) -> dict[str, Any]:
  """Return a trial's own definition; {} if it has none.

  Raises:
    Damage: trial.json is damaged, or of another trial.
  """
  if layout.TRIAL not in names:
    return {}
  try:
    own = storage.read_json(plain(folder / layout.TRIAL))
  except (OSError, ValueError) as error:
    raise Damage(f'{layout.TRIAL} is damaged: {error}.') from error
  if not isinstance(own, dict):
    raise Damage(f'{layout.TRIAL} is not a JSON object.')
  if planned and planned.id != own.get('id'):
    raise Damage(
      f'{layout.TRIAL} has trial id {own.get("id")}; the plan has {planned.id}.'
    )
  return own


def _budget(own: dict[str, Any], budget: float | None) -> float | None:
  """Return the budget; where it is not given, that of a trial itself."""
  if budget is not None or 'budget_seconds' not in own:
    return budget
  said = own['budget_seconds']
  if not layout.is_time(said):
    raise Damage(
      f'{layout.TRIAL}: budget_seconds is {said!r}, but must be a number of '
      'seconds, at least 0.'
    )
  return float(said)


def _status(folder: pathlib.Path) -> layout.Status:
  try:
    plain(folder / layout.ATTEMPTS)
    status = layout.status(folder)
    if not all(
      map(layout.is_time, [status.seconds, *status.accounts.values()])
    ):
      raise Damage(f'{layout.ATTEMPTS} has seconds that are not a time.')
    if not isinstance(status.reason, str):
      raise Damage(f'{layout.ATTEMPTS} has a reason that is not text.')
    known = (None, *layout.SCORED, *layout.OPEN)
    if status.outcome not in known:
      raise Damage(f'{layout.ATTEMPTS}: unknown outcome {status.outcome!r}.')
  except Damage:
    raise
  except ValueError as error:
    reason = str(error).removesuffix('.')
    raise Damage(f'{layout.ATTEMPTS} is damaged: {reason}.') from error
  except (OSError, LookupError, TypeError, AttributeError) as error:
    raise Damage(f'{layout.ATTEMPTS} is damaged: {error!r}.') from error
  return status


def _state(
  names: frozenset[str], status: layout.Status, found: Found, unplanned: bool
) -> tuple[str, str]:
  if status.outcome is not None:
    return status.outcome, status.reason
  if status.attempts:
    return UNFINISHED, f'Attempt {status.attempts} has not ended.'
  if (found.evals or found.unsure) and unplanned:
    return 'budget', 'The log has no outcome; the evaluations decide.'
  if found.evals:
    return UNCLEAR, f'The trial has evaluations, but no {layout.ATTEMPTS}.'
  if unplanned and names:
    return MISSING, f'The trial has no {layout.EVALS} with evaluations.'
  return MISSING, 'Not run.'


def _judged(
  state: str,
  reason: str,
  found: Found,
  rungs: Sequence[WorkloadSpec],
  budget: float,
) -> tuple[str, str, tuple[int | None, ...], bool]:
  """Return (state, reason, hits by rung, open) under this board's rules.

  State and reason are of the exact target. A trial that is open is open on
  every rung.
  """
  exact = rungs[0]
  if state not in layout.SCORED:
    return state, reason, (), True
  if exact.target is None:
    return state, f'{exact.workload} has no target yet.', (), True
  hits = tuple(first_hit(found.evals, rung, budget) for rung in rungs)
  if hits[0] is not None:
    return 'reached', reason, hits, False
  state, reason = _missed(state, reason, found, rungs)
  if state == UNCLEAR:
    return state, reason, (), True
  return state, reason, hits, False


def _missed(
  state: str, reason: str, found: Found, rungs: Sequence[WorkloadSpec]
) -> tuple[str, str]:
  """Return (state, reason) of a trial without a hit within its budget."""
  row, easier = rungs[0], ' or an easier target' if len(rungs) > 1 else ''
  if first_hit(found.evals, row) is not None:
    return 'budget', 'The target was reached after the budget was spent.'
  if found.unsure:
    return UNCLEAR, (
      f'{layout.EVALS} ends in the middle of a line that may have met '
      f'{row.metric} {row.target:.10g}{easier}. Restore the line, or remove it '
      'if it was a miss.'
    )
  if state == 'reached':
    return UNCLEAR, (
      "The outcome is 'reached', but no evaluation meets "
      f'{row.metric} {row.target:.10g}: the trial ran for another target, or '
      f'a part of {layout.EVALS} is lost.'
    )
  if not found.evals and state in ('budget', 'ended'):
    reason = f'{reason} The trial was never evaluated.'
  return state, reason
