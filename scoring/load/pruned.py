"""Check trials that were stopped because another trial of the study was faster.

Such a trial is a miss as long as the faster trial is there. The faster trial
may have been removed since, or the board may have another target: then the
stopped trial is open.
"""

import collections
import math

from runner.protocol.quantities import plain
from scoring.load.trial import BEATEN, UNCLEAR, Trial


def checked(found: list[Trial]) -> tuple[list[Trial], list[str]]:
  """Open stopped trials without a faster trial, and return a remark on all."""
  hits = collections.defaultdict(lambda: math.inf)
  for trial in found:
    if trial.at is not None:
      hits[_study(trial)] = min(hits[_study(trial)], trial.hit)
  stopped = [trial for trial in found if trial.state == BEATEN]
  if not stopped:
    return found, []
  remark = (
    f'{len(stopped)} trials were stopped after as many charged seconds as '
    'another trial of their study needed to reach the target. Scores by '
    'charged seconds stay the same. There are no scores by other measures.'
  )
  return [
    _doubtful(trial)
    if trial.state == BEATEN and trial.seconds < hits[_study(trial)]
    else trial
    for trial in found
  ], [remark]


def _study(trial: Trial) -> tuple[str, str, int]:
  return trial.key[:3]


def _doubtful(trial: Trial) -> Trial:
  reason = (
    f'The trial was stopped at {plain(trial.seconds)} s because another trial '
    'of its study had reached the target. On this board no trial of the study '
    'has by that time. To run the trial again, remove its folder.'
  )
  return trial.opened(UNCLEAR, reason)
