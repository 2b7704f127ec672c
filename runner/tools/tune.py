"""Finds one point of a submission that is good on all workloads of a suite.

SELF and draws from the part of SPACE around it race by steps, so the machine's
speed does not matter, on a third of the workloads; the better half of them goes
on to the next third, and its better half to the last. The best point is the one
with the least geometric mean of costs over all workloads: a calibration in the
sense of Kasimbeg et al. 2025, arXiv:2505.24005, with successive halving
(Jamieson and Talwalkar 2016, arXiv:1502.07943) over workloads. Without SELF the
draws are from all of SPACE; what was found, as SELF, can be tuned again.

On a workload all points start from the same parameters and see the same data,
so that luck does not choose between them; and no race does, or its board would
show the luck that was chosen.
"""

import dataclasses
import pathlib
import statistics
from typing import Any, NamedTuple

import submissions
from runner import planning
from runner.executors import race
from runner.launch.attempt import TrialOptions
from runner.protocol import columns, layout, plan_file, search_space, storage
from runner.protocol.plan import Machine, PlannedTrial
from runner.protocol.schema import SuiteError
from runner.protocol.suite import Suite
from runner.protocol.workload_spec import Ruleset, WorkloadSpec

RUNGS = 3
MISS = 2.0  # Budgets that a miss costs at least, and twice that at most.

Costs = dict[str, float]  # By workload.


class Candidate(NamedTuple):
  """A point and what it has cost so far."""

  number: int  # From 1, that of its trials.
  point: dict[str, Any]
  costs: Costs

  @property
  def mean(self) -> float:
    return statistics.geometric_mean(self.costs.values())

  @property
  def reached(self) -> int:
    return sum(cost <= 1 for cost in self.costs.values())


def tune(
  suite: Suite,
  request: str,
  *,
  draws: int,
  machine: Machine,
  out: pathlib.Path,
  options: TrialOptions,
) -> list[Candidate]:
  """Candidates from the best on; those raced on more workloads come first.

  Args:
    suite: Workloads with targets.
    request: The submission.
    draws: How many points of its search space; a list may have fewer.
    machine: This machine.
    out: The results folder; what it has already is not run again.
    options: Options of all trials.

  Raises:
    ValueError: the submission has no points, or a workload has no target.
  """
  check(suite)
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
    _race(suite, entry, trials, machine, out, options)
    field = sorted(
      (_with_costs(suite, entry, one, some, out) for one in field),
      key=lambda one: one.mean,
    )
    if turn + 1 < len(rungs):
      kept = (len(field) + 1) // 2
      field, beaten = field[:kept], field[kept:] + beaten
  return field + beaten


def seed(suite: Suite, workload: str) -> int:
  """That of all points on a workload, and of no race."""
  return plan_file.seed(suite.seed, f'tune {workload}', 0, 0)


def check(suite: Suite) -> None:
  """Raises SuiteError where a workload has no target to reach."""
  aimless = [n for n, s in suite.workloads.items() if s.target is None]
  if aimless:
    raise SuiteError(
      f'{", ".join(aimless)} of suite {suite.name} has no target to reach. '
      'Set one first: timetrial set-targets.'
    )


def candidates(
  suite: Suite, entry: submissions.Entry, draws: int
) -> list[dict[str, Any]]:
  """SELF and draws from SPACE, near SELF where there is one, each once."""
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
      f'{entry.path} has neither SELF nor SPACE: there is nothing to tune.'
    )
  return found


def cost(spec: WorkloadSpec, steps: list[int], values: list[float]) -> float:
  """Share of the step budget until the target; more than one for a miss.

  A miss costs MISS budgets and, by how far the best value is from the target
  relative to it, up to as much again; all of that without any evaluation.
  """
  reached = [s for s, v in zip(steps, values, strict=True) if spec.reached(v)]
  if reached:
    return max(1, min(reached)) / max(spec.steps, min(reached))
  finite = [v for v in values if v == v]  # noqa: PLR0124  Not NaN.
  if not finite or not spec.target:
    return 2 * MISS
  best = min(finite) if spec.better == 'lower' else max(finite)
  return MISS * (1 + min(1.0, abs(best - spec.target) / abs(spec.target)))


def text(name: str, found: list[Candidate], total: int) -> str:
  """A line for each candidate, and the best one as it stands in a file."""
  lines = [f'{name}: cost, targets reached, point']
  for one in found:
    lines.append(
      f'  {one.mean:.3f}  {one.reached} of {len(one.costs)}  {one.point}'
    )
  best = found[0]
  lines.append(f'Reaches {best.reached} of {total}:\nSELF = {best.point!r}')
  return '\n'.join(lines)


def _race(
  suite: Suite,
  entry: submissions.Entry,
  trials: list[PlannedTrial],
  machine: Machine,
  out: pathlib.Path,
  options: TrialOptions,
) -> None:
  # The same in every rung.
  ruleset = Ruleset(studies=1, trials=1, budget_factor=1.0)
  endless = dict.fromkeys(suite.workloads, planning.FOR_EVER)
  only = dataclasses.replace(suite, rulesets={'external': ruleset}, unscored={})
  made = planning.of_trials(
    only, 'external', {entry.name: entry}, machine, endless, trials
  )
  race.run(out / entry.name, made, options, limits=race.by_steps)


def _with_costs(suite, entry, one: Candidate, names, out) -> Candidate:
  costs = dict(one.costs)
  for name in names:
    spec = suite.workloads[name]
    folder = layout.folder(out / entry.name, entry.name, name, 0, one.number)
    rows = storage.read_rows(folder / layout.EVALS)
    steps = [int(r[columns.STEP]) for r in rows]
    costs[name] = cost(spec, steps, [float(r[spec.column]) for r in rows])
  return one._replace(costs=costs)
