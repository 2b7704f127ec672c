"""Early stop of trials that cannot change their study's score any more.

A study's score is the time of its fastest trial to the target. The other trials
change nothing after as many charged seconds, so they may be stopped.
"""

import math
import pathlib

from runner.protocol import results_folder


def limit(folder: pathlib.Path) -> float:
  """Return the charged seconds after which a trial cannot change the score.

  These are the seconds of the study's fastest other trial that has reached the
  target, or inf if there is none.
  """
  others = (path for path in folder.parent.glob('trial_*') if path != folder)
  known = map(results_folder.status, others)
  reached = (one.seconds for one in known if one.outcome == 'reached')
  return min(reached, default=math.inf)
