"""Times to the target of all studies, as arrays that can be resampled."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from runner.rules import Reading
from scoring import score
from scoring.read import Results
from scoring.trials import MISSING

MEASURES = {  # Of effort: what is raced by, and what it is called.
  'seconds': 'charged seconds',
  'compiled': 'charged seconds without compilation',
  'steps': 'steps',
}


class Times(NamedTuple):
  """N submissions by W workloads by S studies."""

  submissions: list[str]
  studies: np.ndarray  # [N, W, S]: inf: missed, NaN: open or not counted.
  counted: np.ndarray  # [N, W, S]: False where the study is left out.
  paired: bool  # Whether study s has the same seeds in all submissions.

  @property
  def cells(self) -> np.ndarray:
    """Medians over studies [N, W]; NaN: open, or no study counts."""
    found = np.full(self.studies.shape[:2], np.nan)
    for size, rows, columns in self.groups():
      values = self.studies[rows, columns][self.counted[rows, columns]]
      found[rows, columns] = score.medians(values.reshape(-1, size))
    return found

  @property
  def left_out(self) -> np.ndarray:
    """Cells [N, W] of which no study counts: misses on published boards."""
    return np.logical_not(self.counted.any(axis=-1))

  def groups(self):
    """Cells by how many of their studies count: size, rows and columns."""
    sizes = self.counted.sum(axis=-1)
    for size in np.unique(sizes[sizes > 0]):
      yield int(size), *np.nonzero(sizes == size)

  def scored(self, cells: np.ndarray) -> np.ndarray:
    """Medians [..., N, W] as they are scored."""
    return np.where(self.left_out, np.inf, cells)


def collect(
  results: Results, what: str = 'seconds', reading: Reading | None = None
) -> Times:
  """Times to the target of every study.

  Args:
    results: With all trials.
    what: Of MEASURES.
    reading: Instead of that of the results.
  """
  reading = reading or results.reading
  rows = []
  for trial in results.trials:
    value, at = trial.measured(what), -1 if trial.at is None else trial.at
    if trial.state == MISSING and reading.missing == 'left out':
      continue
    if trial.state == MISSING and reading.missing == 'missed':
      value = np.inf
    rows.append((*trial.key, value, np.inf if np.isinf(value) else at))
  names = [*results.trials[0].key._fields, 'seconds', 'at']
  studies = score.study_times(pd.DataFrame(rows, columns=names), reading)
  submissions = sorted({trial.key.submission for trial in results.trials})
  axes = [
    submissions,
    list(results.rules.workloads),
    sorted({trial.key.study for trial in results.trials}),
  ]
  shape = tuple(map(len, axes))
  values, counted = np.full(shape, np.nan), np.zeros(shape, bool)
  places = tuple(
    pd.Index(axis).get_indexer(pd.Index(studies[name]))
    for axis, name in zip(axes, score.STUDY, strict=True)
  )
  values[places] = studies['seconds']
  counted[places] = True
  return Times(submissions, values, counted, bool(results.hash))
