"""Evaluations that a trial reports while it runs, held against its files.

The parent hears of every evaluation at once. Rows that a trial changes, adds or
removes afterwards do not agree with what the parent has heard.
"""

import pathlib

from runner.launch.remote_hosts import Fault
from runner.protocol import columns, layout, storage
from runner.protocol.records.progress import OnProgress, ProgressEvent

Row = tuple[int, float]  # Step and charged seconds.


class Reports:
  """The evaluations of one attempt, as its process reports them."""

  def __init__(self) -> None:
    self._heard: list[Row] = []

  def hear(self, on_progress: OnProgress) -> OnProgress:
    """Return a function that notes evaluations, and passes every event on."""

    def heard(event: ProgressEvent) -> None:
      step, seconds = event.step, event.seconds
      if not (event.metric is None or step is None or seconds is None):
        self._heard.append((step, seconds))
      on_progress(event)

    return heard

  def fault(self, folder: pathlib.Path, attempt: int) -> Fault | None:
    """Return how an attempt ends whose rows are not what it reported.

    A process that was killed may have written one row more than it reported,
    or reported one more than it wrote.

    Args:
      folder: Folder of the trial.
      attempt: Number of the attempt.
    """
    try:
      rows = _rows(folder / layout.EVALS, attempt)
    except (storage.RecordsError, OSError, ValueError, LookupError, TypeError):
      return None  # Damaged files are found wherever they are read.
    heard = self._heard
    if heard in (rows, rows[:-1]) or rows == heard[:-1]:
      return None
    reason = (
      f'{layout.EVALS} has {len(rows)} evaluations of this attempt, which are '
      f'not the {len(heard)} that its process reported while it ran.'
    )
    return Fault('crashed', reason, again=False, always=True)


def _rows(path: pathlib.Path, attempt: int) -> list[Row]:
  if not path.is_file():
    return []
  return [
    (int(row[columns.STEP]), float(row[columns.SECONDS]))
    for row in storage.read_rows(path)
    if int(row[columns.ATTEMPT]) == attempt
  ]
