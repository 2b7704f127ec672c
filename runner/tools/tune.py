"""Search for one point of a submission that is good on all workloads.

SELF and draws from SPACE around SELF race on a third of the workloads. The
better half of the points continues on the next third, and the better half of
these on the last third. The best point has the smallest geometric mean of costs
over all workloads. This is a calibration in the sense of Kasimbeg et al. 2025,
arXiv:2505.24005, with successive halving (Jamieson and Talwalkar 2016,
arXiv:1502.07943) over workloads. Trials stop by steps, so the machine's speed
does not matter. Without SELF, draws are from all of SPACE.

A workload without a target gets one for the search, from the search: the median
of the best values of the points that race on it. Half of the points reach it,
so the search still tells fast points from slow ones. It says nothing about
other submissions.

All points have the same initial parameters and data on a workload, so that luck
does not choose between points. Races use other seeds, because a board would
show the luck that was chosen.
"""

import dataclasses
import math
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import submissions
from runner import planning
from runner.executors.jobs import by_steps
from runner.launch.attempt import TrialOptions
from runner.protocol import (
  columns,
  layout,
  plan_file,
  search_space,
  storage,
)
from runner.protocol.plan import FOR_EVER, Machine, PlannedTrial
from runner.protocol.suite import Suite
from runner.protocol.workload_spec import Ruleset, WorkloadSpec

RUNGS = 3  # Number of parts of the workloads.
MISS = 2.0  # Smallest cost of a miss, in budgets; the largest cost is twice it.

Costs = dict[str, float]  # Costs by workload.


class Curve(NamedTuple):
  """Evaluations of a trial."""

  steps: list[int]
  values: list[float]  # Of the target metric.


class Candidate(NamedTuple):
  """A point and its costs so far."""

  number: int  # Number of its trials, from 1.
  point: dict[str, Any]
  costs: Costs

  @property
  def mean(self) -> float:
    """Geometric mean of the costs."""
    return statistics.geometric_mean(self.costs.values())

  @property
  def reached(self) -> int:
    """Number of targets that the point has reached."""
    return sum(cost <= 1 for cost in self.costs.values())


def tune(
  suite: Suite,
  request: str,
  *,
  draws: int,
  machine: Machine,
  out: pathlib.Path,
  options: TrialOptions,
  jobs: int = 1,
) -> list[Candidate]:
  """Return all candidates, best first; more workloads come before fewer.

  Args:
    suite: Suite whose workloads have targets.
    request: The submission by name or path.
    draws: Number of points of its search space; a list may have fewer.
    machine: This machine.
    out: The results folder; trials that are done are not run again.
    options: Options of all trials.
    jobs: Number of trials at once.

  Raises:
    ValueError: the submission has no points.
  """
  entry = submissions.find(request)
  points = candidates(suite, entry, draws)
  field = [Candidate(n, point, {}) for n, point in enumerate(points, start=1)]
  names, beaten = list(suite.workloads), []
  rungs = [some for r in range(RUNGS) if (some := names[r::RUNGS])]
  for turn, some in enumerate(rungs):
    trials = [
      planning.trial(
        suite,
        entry,
        name,
        study=0,
        number=one.number,
        point=one.point,
        seed=seed(suite, name),
      )
      for name in some
      for one in field
    ]
    _race(
      suite,
      entry,
      trials=trials,
      machine=machine,
      out=out,
      options=options,
      jobs=jobs,
    )
    for name in some:
      curves = [_curve(suite, entry, name, one, out) for one in field]
      spec = aimed(suite.workloads[name], curves)
      for one, (steps, values) in zip(field, curves, strict=True):
        one.costs[name] = cost(spec, steps, values)
    field.sort(key=lambda one: one.mean)
    if turn + 1 < len(rungs):
      kept = (len(field) + 1) // 2
      field, beaten = field[:kept], field[kept:] + beaten
  return field + beaten


def seed(suite: Suite, workload: str) -> int:
  """Return the seed of all points on a workload, which no race uses."""
  return plan_file.seed(suite.seed, f'tune {workload}', 0, 0)


def candidates(
  suite: Suite, entry: submissions.Entry, draws: int
) -> list[dict[str, Any]]:
  """Return SELF and draws from SPACE near SELF, without duplicates.

  Args:
    suite: The suite, for its seed.
    entry: The submission.
    draws: Number of points to draw.

  Raises:
    SubmissionError: the submission has neither SELF nor SPACE.
  """
  known = [entry.self_point] if entry.self_point else []
  drawn: list[dict[str, Any]] = []
  if entry.space:
    where = f'{entry.path}: SPACE'
    drawn = search_space.points(entry.space, draws, suite.seed, where)
    if known and isinstance(entry.space, dict):
      near = search_space.around(entry.space, known[0])
      drawn = search_space.points(near, draws, suite.seed, where)
  found: list[dict[str, Any]] = []
  for point in [*known, *drawn]:
    submissions.check_point(entry, point, 'A point')
    if point not in found:
      found.append(point)
  if not found:
    raise submissions.SubmissionError(
      f'{entry.path} has neither SELF nor SPACE, so it cannot be tuned. Write '
      'one of them.'
    )
  return found


def aimed(spec: WorkloadSpec, curves: Sequence[Curve]) -> WorkloadSpec:
  """Return a workload with a target: its own, or one from the search.

  Args:
    spec: The workload in the suite.
    curves: Values of all points that race on it.
  """
  if spec.target is not None:
    return spec
  better = min if spec.better == 'lower' else max
  best = [better(known) for _, v in curves if (known := _finite(v))]
  if not best:
    return spec
  # Half of the points reach it, also where their number is even.
  middle = (
    statistics.median_low(best)
    if spec.better == 'lower'
    else statistics.median_high(best)
  )
  return dataclasses.replace(spec, target=middle)


def cost(spec: WorkloadSpec, steps: list[int], values: list[float]) -> float:
  """Return the share of the step budget until the target; above 1 for a miss.

  A miss costs MISS * (1 + d), where d is the relative distance of the best
  value from the target, at most 1. A miss without any finite value costs
  2 * MISS.

  Args:
    spec: The workload in the suite.
    steps: Steps of the evaluations.
    values: Values of the target metric at these steps.
  """
  reached = [s for s, v in zip(steps, values, strict=True) if spec.reached(v)]
  if reached:
    return max(1, min(reached)) / max(spec.steps, min(reached))
  finite = _finite(values)
  if not finite or not spec.target:
    return 2 * MISS
  best = min(finite) if spec.better == 'lower' else max(finite)
  return MISS * (1 + min(1.0, abs(best - spec.target) / abs(spec.target)))


def _finite(values: Sequence[float]) -> list[float]:
  return [value for value in values if math.isfinite(value)]


def text(name: str, found: list[Candidate], suite: Suite) -> str:
  """Return a line for each candidate, and the best point as SELF.

  Args:
    name: Name of the submission.
    found: The candidates, best first.
    suite: The suite.
  """
  total = len(suite.workloads)
  lines = [f'{name}: cost, targets reached, point']
  for one in found:
    lines.append(
      f'  {one.mean:.3f}  {one.reached} of {len(one.costs)}  {one.point}'
    )
  best = found[0]
  lines.append(f'Reaches {best.reached} of {total}:\nSELF = {best.point!r}')
  return '\n'.join(lines)


def warning(suite: Suite, request: str) -> str:
  """Return what replaces missing targets, as text, or ''.

  Args:
    suite: The chosen part of the suite.
    request: Name or path of the suite.
  """
  rows = suite.workloads.values()
  aimless = [spec.workload for spec in rows if spec.target is None]
  if not aimless:
    return ''
  return (
    f'Suite {suite.name} has no targets on {", ".join(aimless)}. There, points '
    'are ranked by their steps to the median of the best values of all points '
    'of the submission that race there, so costs of two submissions cannot be '
    f'compared. To set targets: timetrial set-targets --suite={request}'
  )


def _race(
  suite: Suite,
  entry: submissions.Entry,
  trials: list[PlannedTrial],
  machine: Machine,
  out: pathlib.Path,
  options: TrialOptions,
  jobs: int = 1,
) -> None:
  ruleset = Ruleset(studies=1, trials=1, budget_factor=1.0)
  endless = dict.fromkeys(suite.workloads, FOR_EVER)
  only = dataclasses.replace(suite, rulesets={'external': ruleset}, unscored={})
  plan = planning.of_trials(
    only,
    'external',
    entries={entry.name: entry},
    machine=machine,
    budgets=endless,
    trials=trials,
  )
  by_steps(out / entry.name, plan, options, jobs)


def _curve(suite, entry, name: str, one: Candidate, out) -> Curve:
  """Return the evaluations of a candidate on a workload."""
  folder = layout.folder(out / entry.name, entry.name, name, 0, one.number)
  rows = storage.read_rows(folder / layout.EVALS)
  column = suite.workloads[name].column
  steps = [int(r[columns.STEP]) for r in rows]
  return Curve(steps, [float(r[column]) for r in rows])
