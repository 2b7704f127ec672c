"""Plans, forecasts and results folders as text."""

import collections
import dataclasses
import math
import pathlib
from typing import Any

from runner.launch import adviser
from runner.launch.adviser import Adviser
from runner.protocol import columns, layout, results_folder, storage
from runner.protocol.layout import Status
from runner.protocol.plan import Plan, TrialKey
from runner.protocol.quantities import plain
from runner.protocol.records.advice import Request
from runner.tools import preflight
from runner.tools.preflight import Forecast

HEADINGS = (
  'submission',
  'workload',
  'trials',
  'compile s',
  'ms a step',
  'host GiB',
  'device GiB',
  'charged s',
  'free s',
  'all h',
)


def of_plan(plan: Plan, price: float | None = None) -> str:
  """Return a plan as text, with a line for each submission and workload.

  Args:
    plan: The plan.
    price: Price of an hour on the machine, in any currency.
  """
  lines = [
    f'Suite {plan.suite.name} {plan.suite.version}, ruleset {plan.ruleset}, '
    f'on {plan.machine.name}, plan {plan.hash[:12]}:'
  ]
  widest = max(map(len, plan.suite.workloads), default=0)
  for name in plan.sources:
    for workload in plan.suite.workloads:
      some = [
        t for t in plan.trials if (t.submission, t.workload) == (name, workload)
      ]
      budget = plan.budgets.get(workload)
      time = 'not calibrated' if budget is None else f'{budget:.1f} s each'
      world = plan.suite.workloads[workload].world
      lines.append(
        f'  {name:<20} {workload:<{widest}} {len(some):>3} trials, {time}'
        + f', world {world}' * bool(world)
      )
  lines.append(
    f'{len(plan.trials)} trials; for their hours: timetrial calibrate.'
    if plan.hours is None
    else f'{len(plan.trials)} trials, at most {plan.hours:.2f} h of training'
    + _cost(plan.hours, price)
  )
  return '\n'.join(lines)


def _cost(hours: float, price: float | None) -> str:
  """Return the end of a sentence about hours: their cost, if it is known."""
  if price is None:
    return '.'
  return f': {hours * price:.2f} at {price:g} an hour.'


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialRow:
  """Progress of one planned trial.

  Attributes:
    key: The trial.
    state: Its outcome, or 'missing', 'running' or 'interrupted'.
    status: Its status.
    folder: Its folder.
    chance: Forecast chance to reach its target; None: no forecast.
    ahead: Step at which it does, as quantiles of the forecast; inf: never.
  """

  key: TrialKey
  state: str
  status: Status
  folder: pathlib.Path
  chance: float | None = None
  ahead: tuple[float, ...] = ()

  def to_json(self) -> dict[str, Any]:
    """Return the row as `status --json` prints it."""
    status = self.status
    return self.key._asdict() | {
      'state': self.state,
      'reason': status.reason,
      'seconds': status.seconds,
      'attempts': status.attempts,
      'host': status.host or None,
      'job': status.job or None,
      'since': status.since or None,
      'folder': str(self.folder),
      'chance': self.chance,
      'steps_to_target': [
        step if math.isfinite(step) else None for step in self.ahead
      ]
      or None,
    }


def trials(out: pathlib.Path, plan: Plan) -> list[TrialRow]:
  """Return the progress of every planned trial."""
  rows = []
  for trial in plan.trials:
    folder = trial.folder(out)
    status = results_folder.status(folder)
    state = status.outcome or _unfinished(folder, status)
    rows.append(
      TrialRow(key=trial.key, state=state, status=status, folder=folder)
    )
  return rows


def foreseen(out: pathlib.Path, rows: list[TrialRow]) -> list[TrialRow]:
  """Return the rows with forecasts of the trials that run.

  Args:
    out: The results folder.
    rows: The progress of every planned trial.
  """
  if not any(row.state == 'running' for row in rows):
    return rows
  ids = {trial.key: trial.id for trial in results_folder.planned(out).trials}
  with adviser.opened(out, 'exact') as advising:
    return [
      _foreseen(row, ids[row.key], advising) if row.state == 'running' else row
      for row in rows
    ]


def _foreseen(row: TrialRow, trial: str, advising: Adviser) -> TrialRow:
  step = _last_step(row.folder)
  if step is None:
    return row
  advising.now(Request(trial=trial))
  found = advising.now(Request(trial=trial, step=step))
  return dataclasses.replace(row, chance=found.chance, ahead=found.ahead)


def _last_step(folder: pathlib.Path) -> int | None:
  """Return the step of a trial's last evaluation; None without one."""
  try:
    rows = storage.read_rows(folder / layout.EVALS)
    return int(rows[-1][columns.STEP]) if rows else None
  except (OSError, LookupError, TypeError, ValueError):
    return None  # The file is damaged, or being written.


def _unfinished(folder: pathlib.Path, status: Status) -> str:
  if not status.attempts:
    return 'missing'
  return 'running' if results_folder.in_use(folder) else 'interrupted'


def of_trials(rows: list[TrialRow]) -> str:
  """Return counts of states, hosts of running trials, and failures."""
  counts = collections.Counter(row.state for row in rows)
  lines = [', '.join(f'{n} {state}' for state, n in sorted(counts.items()))]
  for row in rows:
    if row.state == 'running':
      job = f', {row.status.job}' if row.status.job else ''
      lines.append(
        f'{row.key}: running on {row.status.host or None}{job} '
        f'since {row.status.since or None}{_chance(row)}'
      )
    elif row.state not in (*layout.SCORED, 'missing'):
      lines.append(f'{row.key}: {row.state}. {row.status.reason}')
      lines.append(f'  {row.folder}')
  return '\n'.join(lines)


def _chance(row: TrialRow) -> str:
  """Return a forecast as the end of a sentence; '' without one."""
  if row.chance is None:
    return ''
  return f'; forecast: {adviser.forecast(row.chance, row.ahead)}'


def of_forecasts(found: list[Forecast], price: float | None = None) -> str:
  """Return forecasts as text: a table, failures, and hours in all.

  Args:
    found: The forecasts.
    price: Price of an hour on the machine, in any currency.
  """
  rows = [HEADINGS, *map(_forecast, found)]
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  lines = [
    '  '.join(
      word.ljust(width) if n < 2 else word.rjust(width)
      for n, (word, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in rows
  ]
  bad = [one for one in found if one.failed]
  lines += [f'FAIL {preflight.failure(one)}' for one in bad]
  trials = sum(one.trials for one in found if not one.failed)
  hours = preflight.hours(found)
  lines.append(f'{trials} trials take about {hours:.2f} h{_cost(hours, price)}')
  if bad:
    lines.append(f'{sum(one.trials for one in bad)} more would fail.')
  return '\n'.join(lines)


def _forecast(one: Forecast) -> tuple[str, ...]:
  def number(value: float | None, unit: float = 1.0) -> str:
    return '–' if value is None else plain(value / unit)

  return (
    one.submission,
    one.workload,
    str(one.trials),
    number(one.compile_seconds),
    number(one.step_seconds, 1e-3),
    number(one.host_bytes, 2**30),
    number(one.device_bytes, 2**30),
    number(one.charged_seconds),
    number(one.free_seconds),
    one.outcome if one.failed else f'{one.all_seconds / 3600:.2f}',
  )
