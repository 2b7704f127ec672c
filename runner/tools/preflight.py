"""Short tests of all planned trials, before hours are spent.

One of all trials that compile to the same program runs for a few steps, in a
process as in the race. The test finds failures and missing memory, and predicts
times.
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from rich.console import Console

from runner.executors import progress
from runner.launch.attempt import TrialOptions
from runner.protocol import columns, layout, results_folder
from runner.protocol.plan import FOR_EVER, Plan, PlannedTrial
from runner.protocol.records import notes
from runner.protocol.suites.workload_spec import WorkloadSpec
from runner.protocol.timing import programs
from runner.tools import short_trial
from runner.tools.short_trial import ShortTrial

DISPATCHES = 8  # Dispatches of a test, including the first, which compiles.
LONG = 1800.0  # Smallest total budget of a cell that is tested, in seconds.
FAILED = layout.OPEN
FRAMES = 5  # Lines of a trace that are printed.


class Cell(NamedTuple):
  """Trials that differ only in numbers; the first trial is tested for all."""

  trials: list[PlannedTrial]

  @property
  def first(self) -> PlannedTrial:
    """The trial that is tested."""
    return self.trials[0]


class Forecast(NamedTuple):
  """Expected time and memory of a cell.

  Attributes:
    submission: Name of the submission.
    workload: Name of the workload.
    trials: Number of trials of the cell.
    outcome: Outcome of the tested trial.
    reason: Reason of that outcome.
    trace: Traceback of an exception, or ''.
    compile_seconds: Seconds of compilation.
    step_seconds: Seconds of a step.
    host_bytes: Peak memory of the process.
    device_bytes: Peak memory of the first device.
    charged_seconds: Charged seconds of one trial, at most its budget.
    free_seconds: Seconds of one trial's evaluations.
  """

  submission: str
  workload: str
  trials: int
  outcome: str
  reason: str
  trace: str = ''
  compile_seconds: float | None = None
  step_seconds: float | None = None
  host_bytes: int | None = None
  device_bytes: int | None = None
  charged_seconds: float | None = None
  free_seconds: float | None = None

  @property
  def failed(self) -> bool:
    """True if the tested trial failed."""
    return self.outcome in FAILED

  @property
  def all_seconds(self) -> float:
    """Seconds of all trials of the cell; 0 if they are unknown."""
    one = (self.charged_seconds or 0.0) + (self.free_seconds or 0.0)
    return self.trials * one


class PreflightError(RuntimeError):
  """A planned trial fails; the message names the trial."""


def cells(trials: Iterable[PlannedTrial]) -> list[Cell]:
  """Group trials by their programs."""
  return [Cell(some) for some in programs.grouped(trials).values()]


def run(plan: Plan, some: list[Cell], options: TrialOptions) -> list[Forecast]:
  """Test cells of a plan, one after another.

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
  """Test long cells that have not begun; tested cells are not tested again.

  Args:
    out: The results folder.
    plan: The plan to run.
    options: Options of all trials.
    mixed: Whether trials of different kinds of machines may be together.
    grows: Whether the plan may add studies.

  Raises:
    PreflightError: a tested trial failed.
  """
  known = notes.tested(out)
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
      f'{names} cannot run as planned, so no trial was started.\n{lines}\n'
      f'Leave out {names}, or start without this test: --nopreflight.'
    )
  with results_folder.opened(out, plan, mixed=mixed, grows=grows):
    ids = known + [cell.first.id for cell in todo]
    notes.write_tested(out, ids)


def is_long(cell: Cell, plan: Plan) -> bool:
  """Test whether a cell may take so long that it is tested first."""
  budget = plan.budgets.get(cell.first.workload, 0.0)
  return len(cell.trials) * budget >= LONG


def forecast(
  cell: Cell,
  spec: WorkloadSpec,
  budget: float | None,
  tried: ShortTrial,
) -> Forecast:
  """Predict a cell's time and memory from a short trial.

  Args:
    cell: The cell.
    spec: The workload in the suite.
    budget: Charged seconds of a trial; None: not calibrated.
    tried: The short trial of the cell.
  """
  trial, status = cell.first, tried.status
  known = Forecast(
    submission=trial.submission,
    workload=trial.workload,
    trials=len(cell.trials),
    outcome=status.outcome or 'interrupted',
    reason=status.reason.partition(f' (see {short_trial.TRACE}')[0],
    trace=tried.trace,
  )
  if known.failed or not tried.steps:
    return known
  speed = tried.later_speed
  charged = speed.seconds(spec.steps, tried.charges)
  if budget is not None:
    charged = min(budget, charged)
  share = charged / budget if budget else 1.0
  return known._replace(
    compile_seconds=speed.compile_seconds,
    step_seconds=speed.step_seconds,
    host_bytes=tried.memory.get('host'),
    device_bytes=tried.memory.get('device'),
    charged_seconds=charged,
    free_seconds=_free(spec, share, tried),
  )


def _free(spec: WorkloadSpec, share: float, tried: ShortTrial) -> float | None:
  """Return the free seconds of a trial: evaluations, and maybe compiling."""
  found = free_seconds(spec, share, tried)
  if found is None or tried.charges.compiling:
    return found
  return found + tried.speed.compile_seconds


def free_seconds(
  spec: WorkloadSpec, share: float, tried: ShortTrial
) -> float | None:
  """Predict the seconds of one trial's evaluations.

  The short trial's first evaluation has compiled and evaluated a batch of one
  split; its last evaluation has evaluated a batch of each split.

  Args:
    spec: The workload in the suite.
    share: Share of the budget that a trial needs.
    tried: The short trial.

  Returns:
    Seconds; None if the short trial has fewer than two evaluations.
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
  """Return the hours of all trials together."""
  return sum(one.all_seconds for one in found) / 3600


def table(found: list[Forecast]) -> dict[str, Any]:
  """Return forecasts as `preflight --json` prints them."""
  forecasts = [one._asdict() for one in found]
  return {'forecasts': forecasts, 'hours': hours(found)}


def failure(one: Forecast) -> str:
  """Return what failed and why, with the last lines of its traceback."""
  what = f'{one.submission} on {one.workload}: {one.outcome}: {one.reason}'
  return '\n    '.join([what, *one.trace.splitlines()[-FRAMES:]])


def _brief(plan: Plan) -> Plan:
  """Return the plan with evaluations of one batch per split and no targets."""
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
    budgets=dict.fromkeys(specs, FOR_EVER),
  )


def _begun(cell: Cell, out: pathlib.Path) -> bool:
  return any(
    results_folder.status(one.folder(out)).attempts for one in cell.trials
  )
