"""Trials that were stopped as another one of their study was faster.

They are misses because of that other trial, and open without it: it may have
been removed since, or the board may ask for another target.
"""

import collections
import math

from runner.protocol.quantities import plain
from scoring.load.trials import UNCLEAR, Trial

STATE = 'beaten'  # The outcome that runners give them.


def checked(found: list[Trial]) -> tuple[list[Trial], list[str]]:
  """All trials, those without the other one open, and a remark if there are."""
  hits = collections.defaultdict(lambda: math.inf)
  for trial in found:
    if trial.at is not None:
      hits[_study(trial)] = min(hits[_study(trial)], trial.hit)
  stopped = [trial for trial in found if trial.state == STATE]
  if not stopped:
    return found, []
  remark = (
    f'{len(stopped)} trials were stopped after as many charged seconds as '
    'another one of their study needed to reach the target. That changes no '
    'score by seconds; by other measures there is none.'
  )
  return [
    _doubtful(trial)
    if trial.state == STATE and trial.seconds < hits[_study(trial)]
    else trial
    for trial in found
  ], [remark]


def _study(trial: Trial) -> tuple[str, str, int]:
  return trial.key[:3]


def _doubtful(trial: Trial) -> Trial:
  reason = (
    f'It was stopped at {plain(trial.seconds)} s, as another trial of its '
    'study had reached the target, and none has by that time on this board. '
    'Remove its folder to run it again.'
  )
  return trial._replace(state=UNCLEAR, reason=reason, at=None, open=True)
