"""Check trials that were stopped because they could not change any score.

Such a trial is a miss as long as the others are there that have decided that.
They may have been removed since, or have other times on this board, or studies
were added: then the stopped trial is open.
"""

from runner.protocol.quantities import plain
from runner.protocol.suites.suite import Suite
from scoring.load.limits import Field, Programs
from scoring.load.trial import BEATEN, UNCLEAR, Trial


def checked(
  rules: Suite, found: list[Trial], programs: Programs | None = None
) -> tuple[list[Trial], list[str]]:
  """Open stopped trials that could change a score; return a remark on all.

  Args:
    rules: The suite, with the interpretation that applies.
    found: All trials.
    programs: Programs of the trials, if their times are steps.
  """
  total = sum(trial.state == BEATEN for trial in found)
  if not total:
    return found, []
  remark = (
    f'{total} trials were stopped when they could not change any score by '
    'charged seconds any more. There are no scores by other measures. '
    'Intervals count a study that was stopped so as a miss.'
  )
  while True:
    # An opened trial is no evidence any more, for whatever it was evidence.
    field = Field(rules, found, programs)
    kept = [
      _doubtful(trial, 's' if programs is None else 'steps')
      if trial.state == BEATEN and trial.seconds < field.limit(trial).seconds
      else trial
      for trial in found
    ]
    if all(one is other for one, other in zip(kept, found, strict=True)):
      return kept, [remark]
    found = kept


def _doubtful(trial: Trial, unit: str) -> Trial:
  reason = (
    f'The trial was stopped at {plain(trial.seconds)} {unit} because it could '
    'not change any score then. On this board it could. To run it again, '
    'remove its folder.'
  )
  return trial.opened(UNCLEAR, reason)
