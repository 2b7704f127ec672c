"""Kinds of hardware: seconds compare on one; on several, only if told so."""

import collections

from scoring.load import trials
from scoring.load.plan import ReadError
from scoring.load.trials import Trial


def together(
  found: list[Trial], planned: set[str], mixed: bool
) -> tuple[list[Trial], list[str]]:
  """Trials that may be ranked together, the others open, and remarks on that.

  Args:
    found: All trials.
    planned: Kinds that they were planned for; none if there is no plan.
    mixed: Whether to rank all of them.

  Raises:
    ReadError: without a plan nothing says which kind is the right one.
  """
  counts = collections.Counter(
    kind for trial in found for kind in sorted(trial.kinds)
  )
  if len(counts) < 2 and (counts.keys() <= planned or not planned):
    return found, []
  listed = ', '.join(f'{n} on {kind}' for kind, n in counts.most_common())
  if not mixed and not planned:
    raise ReadError(
      f'Trials ran on {len(counts)} kinds of hardware ({listed}), and seconds '
      'do not compare. To rank them together all the same: --mix_hardware'
    )
  if not mixed:
    found = [
      _astray(trial, planned) if trial.kinds - planned else trial
      for trial in found
    ]
  if not mixed and len(planned) < 2:
    return found, []
  remark = (
    f'Trials on several kinds of hardware are ranked together, as was asked: '
    f'{listed}. Their seconds do not compare.'
  )
  return found, [remark]


def _astray(trial: Trial, planned: set[str]) -> Trial:
  reason = (
    f'It ran on {", ".join(sorted(trial.kinds - planned))}; this board is of '
    f'{", ".join(sorted(planned))}. To rank it all the same: --mix_hardware'
  )
  return trial._replace(state=trials.UNCLEAR, reason=reason, at=None, open=True)
