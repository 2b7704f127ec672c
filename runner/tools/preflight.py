"""Tries everything that is planned for a few steps, before hours are spent.

Of trials that compile to the same program one is run, in a process as in the
race. That tells what breaks or lacks memory, and foretells times.
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from rich.console import Console

from runner import planning
from runner.executors import progress
from runner.launch.attempt import TrialOptions
from runner.protocol import columns, layout, results_folder, storage
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.workload_spec import WorkloadSpec
from runner.tools import short_trial
from runner.tools.short_trial import ShortTrial

DISPATCHES = 8  # The first of them compiles.
LONG = 1800.0  # Seconds of a cell's trials together, to be tried before a run.
FAILED = layout.OPEN
FRAMES = 5  # Lines of a trace that are printed.
KNOWN = '.preflight.json'  # In a results folder: ids of trials that went well.


class Cell(NamedTuple):
  """Trials that differ in numbers only; the first stands for all."""

  trials: list[PlannedTrial]

  @property
  def first(self) -> PlannedTrial:
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


def cells(trials: Iterable[PlannedTrial]) -> list[Cell]:
  """By submission, workload and shape of the point."""
  found: dict[tuple, list[PlannedTrial]] = {}
  for one in trials:
    key = one.submission, one.workload, shape(one.hyperparameters)
    found.setdefault(key, []).append(one)
  return [Cell(some) for some in found.values()]


def run(plan: Plan, some: list[Cell], options: TrialOptions) -> list[Forecast]:
  """Try cells of a plan, one after another.

  Args:
    plan: The plan.
    some: Cells of its trials.
    options: Options of all trials.
  """
  brief = _brief(plan)
  found = []
  with progress.Progress(len(some), Console(stderr=True)) as live:
    for cell in some:
      trial, spec = cell.first, plan.suite.workloads[cell.first.workload]
      title = f'{trial.key}, tried'
      live.begin(title, spec)
      steps = DISPATCHES * spec.steps_per_dispatch
      tried = short_trial.run(brief, trial, steps, options, live.on_progress)
      live.end(title, tried.status)
      budget = plan.budgets.get(spec.workload)
      found.append(forecast(cell, spec, budget, tried))
  return found


def before(
  out: pathlib.Path,
  plan: Plan,
  options: TrialOptions,
  *,
  mixed: bool = False,
  grows: bool = False,
) -> None:
  """Try what is long and not begun; what went well is not tried again.

  Args:
    out: The results folder.
    plan: What is to be run.
    options: Options of all trials.
    mixed: Whether trials of different kinds of machines may be together.
    grows: Whether the plan may add studies.

  Raises:
    PreflightError: something failed.
  """
  known = _known(out)
  todo = [
    cell
    for cell in cells(plan.trials)
    if is_long(cell, plan) and not _begun(cell, out)
    and cell.first.id not in known
  ]  # fmt: skip
  if not todo:
    return
  print(f'Trying {len(todo)} kinds of trials for a few steps ...')
  found = run(plan, todo, options)
  if bad := [one for one in found if one.failed]:
    names = ', '.join(dict.fromkeys(one.submission for one in bad))
    lines = '\n'.join(f'  {failure(one)}' for one in bad)
    raise PreflightError(
      f'{names} cannot run as planned, so nothing was started.\n{lines}\n'
      f'Leave out {names}, or start all the same: --nopreflight.'
    )
  with results_folder.opened(out, plan, mixed=mixed, grows=grows):
    ids = known + [cell.first.id for cell in todo]
    storage.write_json(out / KNOWN, ids)


def is_long(cell: Cell, plan: Plan) -> bool:
  """Return whether a cell may take so long that it is tried first."""
  budget = plan.budgets.get(cell.first.workload, 0.0)
  return len(cell.trials) * budget >= LONG


def forecast(
  cell: Cell,
  spec: WorkloadSpec,
  budget: float | None,
  tried: ShortTrial,
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
  if known.failed or not tried.steps:
    return known
  speed = tried.later_speed
  charged = speed.seconds(spec.steps)
  if budget is not None:
    charged = min(budget, charged)
  share = charged / budget if budget else 1.0
  return known._replace(
    compile_seconds=speed.compile_seconds,
    step_seconds=speed.step_seconds,
    host_bytes=tried.memory.get('host'),
    device_bytes=tried.memory.get('device'),
    charged_seconds=charged,
    free_seconds=free_seconds(spec, share, tried),
  )


def free_seconds(
  spec: WorkloadSpec, share: float, tried: ShortTrial
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
    return math.ceil(min(tried.examples[split], most) / spec.eval_batch_size)

  evaluations = 1 + math.ceil(share * spec.expected_evaluations)
  count = evaluations * batches('validation') + batches('test')
  count += batches('train', spec.train_examples)
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


def _brief(plan: Plan) -> Plan:
  """Return trials that end by steps, and evaluate one batch of every split."""
  specs = {
    name: dataclasses.replace(
      spec,
      target=None,
      train_examples=min(spec.train_examples, spec.eval_batch_size),
      eval_examples=spec.eval_batch_size,
    )
    for name, spec in plan.suite.workloads.items()
  }
  return dataclasses.replace(
    plan,
    suite=dataclasses.replace(plan.suite, workloads=specs),
    budgets=dict.fromkeys(specs, planning.FOR_EVER),
  )


def _begun(cell: Cell, out: pathlib.Path) -> bool:
  return any(
    results_folder.status(one.folder(out)).attempts for one in cell.trials
  )


def _known(out: pathlib.Path) -> list[str]:
  path = out / KNOWN
  return storage.read_json(path) if path.exists() else []
