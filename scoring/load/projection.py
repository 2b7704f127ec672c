"""Seconds of untimed trials, read off the time profiles of their programs.

A profile is a timed trial of the same program: one of `<out>/.profiles`, or a
timed trial of the board itself. Where trials of the board are timed as well,
their seconds are compared with what the profile says for them.
"""

import csv
import dataclasses
import os
import pathlib
import statistics
from collections.abc import Iterable, Mapping

import numpy as np

from runner.protocol import layout
from runner.protocol.plan import Plan, PlannedTrial, TrialKey
from runner.protocol.timing import programs, time_profiles
from runner.protocol.timing.programs import Program
from runner.protocol.timing.time_profiles import TimeProfile
from scoring.load import plan as plans, safe_files
from scoring.load.plan import ReadError
from scoring.load.trial import MISSING, UNCLEAR, UNFINISHED, UNTIMED, Trial

BOUND = 0.1  # Largest difference of projected from timed seconds, as a share.
BROKEN = (OSError, ValueError, LookupError, TypeError, csv.Error)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
  """Projected over timed seconds of the evaluations of one program.

  Attributes:
    program: The program.
    ratios: The ratio at every evaluation of its timed trials.
  """

  program: Program
  ratios: tuple[float, ...]

  @property
  def median(self) -> float:
    """Median of the ratios."""
    return statistics.median(self.ratios)

  @property
  def quartiles(self) -> list[float]:
    """Lower quartile, median and upper quartile of the ratios."""
    return np.quantile(self.ratios, [0.25, 0.5, 0.75]).tolist()

  @property
  def holds(self) -> bool:
    """True if the median differs from 1 by at most BOUND."""
    return abs(self.median - 1) <= BOUND


@dataclasses.dataclass(frozen=True, kw_only=True)
class Projection:
  """Trials whose seconds were projected, and how well that holds.

  Attributes:
    machine: Kind of machine that the seconds are for; '': none.
    projected: Number of trials with projected seconds.
    lacking: Number of untimed trials without seconds.
    agreements: Comparisons with timed trials.
  """

  machine: str = ''
  projected: int = 0
  lacking: int = 0
  agreements: tuple[Agreement, ...] = ()

  @property
  def remarks(self) -> list[str]:
    """Sentences on how projected seconds compare with timed ones."""
    if not self.agreements:
      return []
    medians = [one.median for one in self.agreements]
    low, middle, high = np.quantile(medians, [0.25, 0.5, 0.75])
    found = [
      f'Projected seconds are {middle:.3f} times the timed ones (median of '
      f'{len(medians)} programs that have both; quartiles {low:.3f}, '
      f'{high:.3f}).'
    ]
    return found + [
      f'Nothing is projected for {one.program.submission} on '
      f'{one.program.workload}: projected seconds are {one.median:.3f} times '
      'the timed ones.'
      for one in self.agreements
      if not one.holds
    ]


NONE = Projection()


def machines(folder: pathlib.Path) -> list[str]:
  """Return the kinds of machines that a results folder has profiles of."""
  return [path.name for path in time_profiles.folders(folder)]


def project(
  folder: pathlib.Path,
  plan: Plan,
  found: list[Trial],
  machine: str | None,
) -> tuple[list[Trial], Projection, dict[str, float]]:
  """Return all trials, untimed ones with projected seconds.

  Args:
    folder: The results folder.
    plan: Its plan.
    found: Its trials.
    machine: Kind of machine to project to; None: that of the plan, or the only
      one that has profiles.

  Returns:
    The trials, what was projected, and the budgets in charged seconds.

  Raises:
    ReadError: there are no profiles of that machine.
  """
  if all(trial.timed for trial in found) and machine is None:
    return found, NONE, dict(plan.budgets)
  name = _chosen(folder, plan, machine)
  profiles, budgets = _read(folder, name, plan) if name else ({}, {})
  here = name == plan.machine.name
  budgets = budgets or dict(plan.budgets)
  points = {trial.key: programs.of(trial) for trial in plan.trials}
  timed = [trial for trial in found if trial.timed and trial.evals]
  own: set[TrialKey] = set()
  if here or not name:
    for trial in timed:
      if points[trial.key] not in profiles:
        profiles[points[trial.key]] = _of(trial)
        own.add(trial.key)  # It would agree with itself.
  others = [trial for trial in timed if trial.key not in own]
  agreements = _agreements(others, points, profiles) if here else []
  refused = {one.program for one in agreements if not one.holds}
  made, count = [], 0
  for trial in found:
    if trial.timed and (here or not name):
      made.append(trial)
      continue
    program = points[trial.key]
    profile = None if program in refused else profiles.get(program)
    if profile is None:
      made.append(_without(trial, program in refused))
      continue
    count += 1
    budget = budgets.get(trial.key.workload, np.inf)
    made.append(projected(trial, profile, budget))
  lacking = sum(trial.state == UNTIMED for trial in made)
  return (
    made,
    Projection(
      machine=name,
      projected=count,
      lacking=lacking,
      agreements=tuple(agreements),
    ),
    budgets,
  )


def projected(trial: Trial, profile: TimeProfile, budget: float) -> Trial:
  """Return a trial with the seconds of its steps in a profile.

  Args:
    trial: The trial.
    profile: Profile of its program.
    budget: Charged seconds of the trial.
  """
  last = profile.steps[-1]
  known = int((trial.evals.steps <= last).sum())
  evals = trial.evals.first(known)
  seconds = np.array([profile.at(int(step)) for step in evals.steps], float)
  made = trial._replace(
    evals=evals._replace(seconds=seconds, compile=seconds * np.nan),
    budget=budget,
    projected=True,
    seconds=float(seconds[-1]) if known else 0.0,
  )
  if trial.open:
    return made
  late = [at for at in trial.hits if at is not None and at >= known]
  if late and not profile.spent:
    reason = f'Its time profile ends at step {last}. Run timetrial time again.'
    return made.opened(UNCLEAR, reason)
  hits = tuple(
    at if at is not None and at < known and seconds[at] <= budget else None
    for at in trial.hits
  )
  if trial.at is not None and hits[0] is None:
    reason = 'The target was reached after the budget was spent.'
    made = made._replace(state='budget', reason=reason)
  return made._replace(hits=hits)


def _chosen(folder: pathlib.Path, plan: Plan, machine: str | None) -> str:
  known = machines(folder)
  if machine is not None:
    if machine not in known and machine != plan.machine.name:
      raise ReadError(
        f'{folder} has no time profiles of {machine!r}. Known: '
        f'{", ".join(known) or "none"}. On such a machine: timetrial time '
        f'--out={folder}'
      )
    return machine
  if plan.machine.name in known or not known:
    return plan.machine.name
  if len(known) > 1:
    raise ReadError(
      f'{folder} has time profiles of several machines: {", ".join(known)}. '
      'Choose one with --hardware.'
    )
  return known[0]


def _read(
  folder: pathlib.Path, machine: str, plan: Plan
) -> tuple[dict[Program, TimeProfile], dict[str, float]]:
  place = time_profiles.folder(folder, machine)
  if not os.path.isdir(place):
    return {}, {}
  stored, _ = plans.read(place, needed=True)
  assert stored is not None
  found = {}
  for trial in stored.trials:
    if _source(stored, trial) != _source(plan, trial):
      continue
    try:
      for name in (layout.ATTEMPTS, layout.EVALS):
        safe_files.plain(trial.folder(place) / name)
      scalars = trial.folder(place) / layout.SCALARS
      safe_files.plain(scalars, safe_files.LONGEST)
      profile = time_profiles.read(trial.folder(place))
    except BROKEN as error:
      raise ReadError(
        f'{trial.folder(place)}: the time profile is damaged: {error}. Remove '
        'the folder, and run timetrial time again.'
      ) from error
    if profile is not None:
      found[programs.of(trial)] = profile
  return found, dict(stored.budgets)


def _source(plan: Plan, trial: PlannedTrial) -> str | None:
  """Return the hash of a trial's source; None if the plan has none."""
  source = plan.sources.get(trial.submission)
  return None if source is None else source.sha256


def _of(trial: Trial) -> TimeProfile:
  points = zip(
    map(int, trial.evals.steps), map(float, trial.evals.seconds), strict=True
  )
  return time_profiles.made(points, trial.state == 'budget')


def _agreements(
  timed: Iterable[Trial],
  points: Mapping[TrialKey, Program],
  profiles: Mapping[Program, TimeProfile],
) -> list[Agreement]:
  found: dict[Program, list[float]] = {}
  for trial in timed:
    program = points[trial.key]
    profile = profiles.get(program)
    if profile is None:
      continue
    for step, seconds in zip(
      trial.evals.steps, trial.evals.seconds, strict=True
    ):
      said = profile.at(int(step))
      if said is not None and seconds > 0:
        found.setdefault(program, []).append(said / float(seconds))
  return [
    Agreement(program=program, ratios=tuple(ratios))
    for program, ratios in found.items()
  ]


def _without(trial: Trial, refused: bool) -> Trial:
  """Return a trial whose seconds are not known."""
  reason = (
    'Its time profile and timed trials of the same program differ by more than '
    f'{BOUND:.0%}.'
    if refused
    else 'It is untimed, and its program has no time profile yet: timetrial '
    'time --out=RESULTS'
  )
  if trial.state in (MISSING, UNCLEAR, UNFINISHED):
    return trial
  return trial.opened(UNTIMED, reason)
