"""When a trial cannot change its study's score any more.

Of the trials of a study the first one to reach the target counts. Whatever the
others do after as many charged seconds changes nothing, so they may be stopped.
"""

import math
import pathlib

from runner.protocol import results_folder


def limit(folder: pathlib.Path) -> float:
  """Charged seconds from which on the trial in a folder does not count.

  Those of the fastest trial beside it that has reached the target; inf: none.
  """
  others = (path for path in folder.parent.glob('trial_*') if path != folder)
  known = map(results_folder.status, others)
  reached = (one.seconds for one in known if one.outcome == 'reached')
  return min(reached, default=math.inf)
