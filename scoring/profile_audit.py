"""Checks that timed and untimed trials of the same seed are the same race.

The seconds of an untimed trial come from the time profile of its program. A
submission that does more in a step when it is not timed would gain by it, but
would then learn in other steps than in its profile.
"""

import os
import pathlib
import statistics
from collections.abc import Iterator

from runner.protocol import layout
from runner.protocol.suites.workload_spec import WorkloadSpec
from runner.protocol.timing import time_profiles
from scoring.load import evals, plan as plans, safe_files
from scoring.load.evals import Evals
from scoring.load.results import Results
from scoring.load.tree import relative

# Differences of two curves are shares of the way from the first value to the
# target. This is the largest median; other numbers of cores made up to .05.
APART = 0.25
FEWEST = 3  # Common evaluations that the median needs.
# The largest difference at the first evaluations, where rounding has not grown
# yet: other numbers of cores made up to .02. Late curves are close in any case.
EARLY, FIRST = 0.15, 3

Told = tuple[str, bool, str]  # Path, whether it is a doubt, and a text.


def checked(results: Results) -> Iterator[Told]:
  """Yield untimed trials that learn otherwise than the profile of their seed.

  Args:
    results: The results.
  """
  out = results.folder
  untimed = {t.key: t for t in results.trials if not t.timed}
  if not untimed:
    return
  for place in time_profiles.folders(out):
    stored, problems = plans.read(place, needed=False)
    for problem in problems:
      yield f'{relative(out, place)}/{problem.path}', True, problem.reason
    for trial in stored.trials if stored else ():
      yield from _disturbed(out, trial.folder(place))
      own = untimed.get(trial.key)
      spec = results.rules.workloads.get(trial.workload)
      if own is None or spec is None or not os.path.isdir(own.folder):
        continue
      try:
        curve, profile = (
          evals.evaluations(folder / layout.EVALS, [spec]).evals
          for folder in (own.folder, trial.folder(place))
        )
      except safe_files.Damage as damage:
        yield relative(out, own.folder), True, f'No comparison: {damage}'
        continue
      found = differences(curve, profile, spec)
      typical = statistics.median(found) if len(found) >= FEWEST else 0.0
      early = max(found[:FIRST], default=0.0)
      if typical > APART or early > EARLY:
        yield (
          relative(out, own.folder),
          True,
          f'At equal steps it is {max(typical, early):.0%} of the way to the '
          'target away from the timed trial of the same seed in '
          f'{relative(out, place)}. It does not do the same when it is timed.',
        )


def _disturbed(out: pathlib.Path, folder: pathlib.Path) -> Iterator[Told]:
  """Yield a doubt on a profile from which other programs took too much."""
  if not os.path.lexists(folder / layout.ATTEMPTS):
    return  # It has not run yet.
  try:
    safe_files.plain(folder / layout.ATTEMPTS)
    share = time_profiles.held_up(folder)
  except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
    yield relative(out, folder), True, f'The profile is damaged: {error}.'
    return
  if share > layout.HELD_UP:
    yield (
      relative(out, folder),
      True,
      f'Other processes took {share:.0%} of the processor time that this time '
      'profile needed. Repeat timetrial time on an idle machine.',
    )


def differences(one: Evals, other: Evals, spec: WorkloadSpec) -> list[float]:
  """Return the differences of two curves at their common steps, in order.

  Args:
    one: Evaluations of a trial.
    other: Those of another trial.
    spec: The workload, whose target tells how much a difference is.

  Returns:
    Shares of the way from the first value to the target.
  """
  if spec.target is None:
    return []
  known = dict(zip(other.steps, other.values, strict=True))
  both = [
    (value, known[step])
    for step, value in zip(one.steps, one.values, strict=True)
    if step in known
  ]
  way = abs(both[0][0] - spec.target) if both else 0.0
  return [float(abs(a - b) / way) for a, b in both] if way else []
