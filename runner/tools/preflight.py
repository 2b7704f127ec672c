"""Tries everything that is planned for a few steps, before hours are spent.

Of trials that compile to the same program one is run, in a process as in the
race. That tells what breaks or lacks memory, and foretells times.
"""

import math
import pathlib
from typing import Any, NamedTuple

from rich.console import Console

from runner.executors import progress
from runner.launch import attempt
from runner.protocol import (
  columns,
  layout,
  plan,
  results_folder,
  storage,
  suite,
)
from runner.tools import short_trial

DISPATCHES = 8  # The first of them compiles.
LONG = 1800.0  # Seconds of a cell's trials together, to be tried before a run.
FAILED = layout.OPEN
FRAMES = 5  # Lines of a trace that are printed.
KNOWN = '.preflight.json'  # In a results folder: ids of trials that went well.


class Cell(NamedTuple):
  """Trials that differ in numbers only; the first stands for all."""

  trials: list[plan.Trial]

  @property
  def first(self) -> plan.Trial:
    return self.trials[0]


class Forecast(NamedTuple):
  """What a cell is expected to take."""

  submission: str
  workload: str
  trials: int
  outcome: str
  reason: str
  trace: str = ''  # Where an exception came from.
  compile_seconds: float | None = None
  step_seconds: float | None = None
  host_bytes: int | None = None
  device_bytes: int | None = None
  charged_seconds: float | None = None  # Of one trial; at most its budget.
  free_seconds: float | None = None  # Of one trial, for evaluations.

  @property
  def failed(self) -> bool:
    return self.outcome in FAILED

  @property
  def all_seconds(self) -> float:
    """Of all its trials; nothing where that is not known."""
    one = (self.charged_seconds or 0.0) + (self.free_seconds or 0.0)
    return self.trials * one


class PreflightError(RuntimeError):
  """Something that is planned does not run; the message says what."""


def shape(point: dict[str, Any]) -> tuple[tuple[str, str], ...]:
  """The same for points that make the same program.

  Numbers with a fraction flow through it, but for zero, which may leave a part
  of it out. Everything else may decide of sizes and branches.
  """
  return tuple(
    (name, 'number' if isinstance(value, float) and value else repr(value))
    for name, value in sorted(point.items())
  )


def cells(trials: list[plan.Trial]) -> list[Cell]:
  """By submission, workload and shape of the point."""
  found: dict[tuple, list[plan.Trial]] = {}
  for one in trials:
    key = one.submission, one.workload, shape(one.hyperparameters)
    found.setdefault(key, []).append(one)
  return [Cell(some) for some in found.values()]


def run(
  made: plan.Plan, some: list[Cell], terms: attempt.TrialOptions
) -> list[Forecast]:
  """Tries cells of a plan, one after another."""
  brief = _brief(made)
  found = []
  with progress.Progress(len(some), Console(stderr=True)) as live:
    for cell in some:
      trial, row = cell.first, made.suite.workloads[cell.first.workload]
      title = f'{progress.title(trial._asdict())}, tried'
      live.begin(title, row._asdict())
      steps = DISPATCHES * row.steps_per_dispatch
      tried = short_trial.run(brief, trial, steps, terms, live.tell)
      live.end(title, tried.status)
      found.append(forecast(cell, row, made.budgets.get(row.workload), tried))
  return found


def before(
  out: pathlib.Path, made: plan.Plan, terms: attempt.TrialOptions
) -> None:
  """Tries what is long and not begun; what went well is not tried again.

  Raises:
    PreflightError: something failed.
  """
  known = _known(out)
  todo = [
    cell
    for cell in cells(made.trials)
    if is_long(cell, made) and not _begun(cell, out)
    and cell.first.id not in known
  ]  # fmt: skip
  if not todo:
    return
  print(f'Trying {len(todo)} kinds of trials for a few steps ...')
  found = run(made, todo, terms)
  if bad := [one for one in found if one.failed]:
    names = ', '.join(dict.fromkeys(one.submission for one in bad))
    lines = '\n'.join(f'  {failure(one)}' for one in bad)
    raise PreflightError(
      f'{names} cannot run as planned, so nothing was started.\n{lines}\n'
      f'Leave out {names}, or start all the same: --nopreflight.'
    )
  with results_folder.opened(out, made):
    ids = known + [cell.first.id for cell in todo]
    storage.write_json(out / KNOWN, ids)


def is_long(cell: Cell, made: plan.Plan) -> bool:
  budget = made.budgets.get(cell.first.workload, 0.0)
  return len(cell.trials) * budget >= LONG


def forecast(
  cell: Cell,
  row: suite.WorkloadSpec,
  budget: float | None,
  tried: short_trial.Probe,
) -> Forecast:
  """What the few steps tell of the whole trials."""
  trial, status = cell.first, tried.status
  known = Forecast(
    trial.submission,
    trial.workload,
    len(cell.trials),
    status.outcome or 'interrupted',
    status.reason.partition(f' (see {short_trial.TRACE}')[0],
    tried.trace,
  )
  if known.failed or not tried.end['step']:
    return known
  speed = tried.later_speed
  charged = speed.seconds(row.steps)
  if budget is not None:
    charged = min(budget, charged)
  share = charged / budget if budget else 1.0
  memory = tried.end['peak_memory_bytes']
  return known._replace(
    compile_seconds=speed.compile_seconds,
    step_seconds=speed.step_seconds,
    host_bytes=memory['host'],
    device_bytes=memory.get('device'),
    charged_seconds=charged,
    free_seconds=free_seconds(row, share, tried),
  )


def free_seconds(
  row: suite.WorkloadSpec, share: float, tried: short_trial.Probe
) -> float | None:
  """Of the evaluations in a share of the budget.

  The first evaluation has compiled and looked at a batch of one split; the
  last one has looked at a batch of each.
  """
  if len(tried.rows) < 2:
    return None
  first, last = (
    float(row[columns.EVAL]) for row in (tried.rows[0], tried.rows[-1])
  )
  batch = (last - first) / len(tried.examples)

  def batches(split: str, most: float = math.inf) -> int:
    return math.ceil(min(tried.examples[split], most) / row.eval_batch_size)

  looks = 1 + math.ceil(share * row.looks)
  count = looks * batches('validation') + batches('test')
  count += batches('train', row.train_examples)
  return max(0.0, first - batch) + count * batch


def hours(found: list[Forecast]) -> float:
  return sum(one.all_seconds for one in found) / 3600


def table(found: list[Forecast]) -> dict[str, Any]:
  """For programs."""
  forecasts = [one._asdict() for one in found]
  return {'forecasts': forecasts, 'hours': hours(found)}


def failure(one: Forecast) -> str:
  """What failed and why, and below that where it came from."""
  what = f'{one.submission} on {one.workload}: {one.outcome}: {one.reason}'
  return '\n    '.join([what, *one.trace.splitlines()[-FRAMES:]])


def _brief(made: plan.Plan) -> plan.Plan:
  """Trials that end by steps, and look at one batch of every split."""
  rows = {
    name: row._replace(
      target=None,
      train_examples=min(row.train_examples, row.eval_batch_size),
      eval_examples=row.eval_batch_size,
    )
    for name, row in made.suite.workloads.items()
  }
  return made._replace(
    suite=made.suite._replace(workloads=rows),
    budgets=dict.fromkeys(rows, plan.FOR_EVER),
  )


def _begun(cell: Cell, out: pathlib.Path) -> bool:
  return any(
    results_folder.status(one.folder(out)).attempts for one in cell.trials
  )


def _known(out: pathlib.Path) -> list[str]:
  path = out / KNOWN
  return storage.read_json(path) if path.exists() else []
