"""Hours of a plan, predicted from the record of another race.

Most trials of a race do not spend their budget: they reach their target, or are
stopped. What share of all budgets is spent is taken from a finished race.
"""

import dataclasses
import pathlib

from runner.options import Options
from runner.protocol import boards, results_folder
from runner.protocol.plan import Plan
from runner.protocol.records import savings
from runner.tools import scoring_child


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
  """Hours that a plan will probably take.

  Attributes:
    hours: The hours; None: they cannot be predicted.
    share: Share of all budgets that the other race spent.
    said: A sentence on the hours, or why they cannot be predicted.
  """

  hours: float | None
  share: float | None
  said: str


def predict(options: Options, plan: Plan) -> Expected:
  """Return the hours of a plan with the stops of --stop.

  Args:
    options: The options; the record is the board of `against`, or `out`.
    plan: The plan.
  """
  policy = options.trial.stop
  place = options.against or options.out
  with_stops = '' if policy == 'none' else f' with --stop={policy}'
  lacking = 'budgets are not calibrated here. Run timetrial calibrate'
  share = None
  if plan.hours is not None:
    lacking = (
      f'{place} has no finished race with charged hours. Give the folder of '
      'one: --against=docs/leaderboard/self'
    )
    share = _share(options, policy)
  if share is None or plan.hours is None:
    said = f'The hours{with_stops} cannot be predicted: {lacking}.'
    return Expected(hours=None, share=None, said=said)
  hours = share * plan.hours
  said = (
    f'About {hours:.2f} h{with_stops}, if it spends the same share of its '
    f'budgets as {place} would have: {share:.0%}. This is a forecast.'
  )
  return Expected(hours=hours, share=share, said=said)


def _share(options: Options, policy: str) -> float | None:
  """Return the share of its budgets that a finished race would have spent."""
  if options.against is not None:
    with boards.opened(options.against) as folder:
      return _of(folder, policy)
  return _of(options.out, policy)


def _of(folder: pathlib.Path, policy: str) -> float | None:
  if not folder.is_dir():
    return None
  stored = results_folder.stored(folder)
  if stored is None or not stored.hours:
    return None
  words = ['replay', str(folder), '--json', '--by=seconds']
  words.append(f'--policy={"safe" if policy == "safe" else "exact"}')
  done = scoring_child.run(words, reads=True)
  if done.returncode:
    return None
  hours = savings.hours(done.stdout, policy)
  return min(1.0, hours / stored.hours) if hours > 0 else None
