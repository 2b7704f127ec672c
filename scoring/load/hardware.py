"""Check that all ranked trials ran on the planned kind of hardware.

Seconds of different kinds do not compare.
"""

import collections

from scoring.load.plan import ReadError
from scoring.load.trial import UNCLEAR, Trial


def together(
  found: list[Trial], planned: set[str], mixed: bool
) -> tuple[list[Trial], list[str]]:
  """Open the trials that ran on another kind of hardware than planned.

  Args:
    found: All trials.
    planned: The plan's kinds of hardware; empty without a plan.
    mixed: True to rank trials of all kinds together.

  Returns:
    All trials, and remarks on mixed hardware.

  Raises:
    ReadError: There are several kinds, and no plan says which one counts.
  """
  counts = collections.Counter(
    kind for trial in found for kind in sorted(trial.kinds)
  )
  if len(counts) < 2 and (counts.keys() <= planned or not planned):
    return found, []
  listed = ', '.join(f'{n} on {kind}' for kind, n in counts.most_common())
  if not mixed and not planned:
    raise ReadError(
      f'Trials ran on {len(counts)} kinds of hardware ({listed}), whose '
      'seconds do not compare. Score the folders of one kind, or rank all '
      'together with --mix_hardware.'
    )
  if not mixed:
    found = [
      _astray(trial, planned) if trial.kinds - planned else trial
      for trial in found
    ]
  if not mixed and len(planned) < 2:
    return found, []
  remark = (
    f'Trials on several kinds of hardware are ranked together, as requested: '
    f'{listed}. Their seconds do not compare.'
  )
  return found, [remark]


def _astray(trial: Trial, planned: set[str]) -> Trial:
  reason = (
    f'The trial ran on {", ".join(sorted(trial.kinds - planned))}; this board '
    f'is for {", ".join(sorted(planned))}. To rank the trial nevertheless: '
    '--mix_hardware'
  )
  return trial.opened(UNCLEAR, reason)
