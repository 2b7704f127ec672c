"""Times to the target of all studies, as arrays that can be resampled."""

import collections
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from scoring.load.results import Results
from scoring.load.trials import MISSING
from scoring.rank import score

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
    for rows, columns, values in self.groups():
      found[rows, columns] = score.medians(values)
    return found

  @property
  def left_out(self) -> np.ndarray:
    """Cells [N, W] of which no study counts: misses on published boards."""
    return np.logical_not(self.counted.any(axis=-1))

  def groups(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cells by how many of their studies count.

    Yields:
      Rows [C], columns [C] and times of the studies [C, size] of such cells.
    """
    sizes = self.counted.sum(axis=-1)
    for size in np.unique(sizes[sizes > 0]):
      rows, columns = np.nonzero(sizes == size)
      values = self.studies[rows, columns][self.counted[rows, columns]]
      yield rows, columns, values.reshape(-1, size)

  def scored(self, cells: np.ndarray) -> np.ndarray:
    """Medians [..., N, W] as they are scored."""
    return np.where(self.left_out, np.inf, cells)


def collect(results: Results, what: str = 'seconds') -> Times:
  """Times to the target of every study.

  Args:
    results: With all trials.
    what: Of MEASURES.
  """
  reading = results.rules.interpretation
  groups = collections.defaultdict(list)
  for trial in results.trials:
    value, at = trial.measured(what), -1 if trial.at is None else trial.at
    if trial.state == MISSING and reading.missing == 'left out':
      continue
    if trial.state == MISSING and reading.missing == 'missed':
      value = math.inf
    key = trial.key
    groups[key.submission, key.workload, key.study].append(
      (math.inf if math.isinf(value) else at, value)
    )
  submissions = sorted({trial.key.submission for trial in results.trials})
  numbers = sorted({trial.key.study for trial in results.trials})
  axes = (submissions, list(results.rules.workloads), numbers)
  places = [{name: n for n, name in enumerate(axis)} for axis in axes]
  shape = tuple(map(len, axes))
  values, counted = np.full(shape, np.nan), np.zeros(shape, bool)
  for names, trials in groups.items():
    place = tuple(at[name] for at, name in zip(places, names, strict=True))
    values[place] = score.study_time(trials, reading)
    counted[place] = True
  return Times(submissions, values, counted, bool(results.hash))
