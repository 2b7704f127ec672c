"""Collect the times to the target of all studies as arrays."""

import collections
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from runner.protocol.suites.suite import Interpretation
from scoring.load.results import Results
from scoring.load.trial import MISSING, Trial
from scoring.rank import score

MEASURES = {  # Measures of effort, and their names in the report.
  'seconds': 'charged seconds',
  'compiled': 'charged seconds without compilation',
  'whole': 'charged seconds with compilation',
  'steps': 'steps',
}


class Times(NamedTuple):
  """Times of N submissions on W workloads in S studies, on R rungs.

  The rungs are the targets of the suite's ladder, the exact one first. A
  published board has one.
  """

  submissions: list[str]
  studies: np.ndarray  # [R, N, W, S] times; inf: missed, NaN: open or left out.
  counted: np.ndarray  # [N, W, S] mask; False: the study is left out.
  paired: bool  # True if study s has the same seeds in all submissions.

  @property
  def cells(self) -> np.ndarray:
    """Medians over studies [R, N, W]; NaN: open, or no study counts."""
    found = np.full(self.studies.shape[:-1], np.nan)
    for rows, columns, values in self.groups():
      found[:, rows, columns] = score.medians(values)
    return found

  @property
  def left_out(self) -> np.ndarray:
    """Mask [N, W] of cells without a study that counts.

    Published boards count these cells as misses.
    """
    return np.logical_not(self.counted.any(axis=-1))

  def groups(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Group cells by the number of studies that count.

    Yields:
      Rows [C], columns [C] and study times [R, C, size] of the C cells with
      `size` studies.
    """
    sizes = self.counted.sum(axis=-1)
    for size in np.unique(sizes[sizes > 0]):
      rows, columns = np.nonzero(sizes == size)
      values = self.studies[:, rows, columns][:, self.counted[rows, columns]]
      yield rows, columns, values.reshape(-1, len(rows), size)

  def scored(self, cells: np.ndarray) -> np.ndarray:
    """Return medians [..., R, N, W] with inf in cells that are left out."""
    return np.where(self.left_out, np.inf, cells)


def collect(results: Results, what: str = 'seconds') -> Times:
  """Return the times to the target of every study.

  Args:
    results: The results with all trials.
    what: The measure of effort, one of MEASURES.
  """
  reading = results.rules.interpretation
  rungs = range(len(results.rules.ladder))
  groups = collections.defaultdict(list)
  for trial in results.trials:
    if trial.state == MISSING and reading.missing == 'left out':
      continue
    key = trial.key
    groups[key.submission, key.workload, key.study].append(
      [_hit(trial, what, rung, reading) for rung in rungs]
    )
  submissions = sorted({trial.key.submission for trial in results.trials})
  numbers = sorted({trial.key.study for trial in results.trials})
  axes = (submissions, list(results.rules.workloads), numbers)
  places = [{name: n for n, name in enumerate(axis)} for axis in axes]
  shape = tuple(map(len, axes))
  values = np.full((len(rungs), *shape), np.nan)
  counted = np.zeros(shape, bool)
  for names, trials in groups.items():
    place = tuple(at[name] for at, name in zip(places, names, strict=True))
    values[:, *place] = [
      score.study_time(hits, reading) for hits in zip(*trials, strict=True)
    ]
    counted[place] = True
  return Times(submissions, values, counted, bool(results.hash))


def _hit(
  trial: Trial, what: str, rung: int, reading: Interpretation
) -> tuple[float, float]:
  """Return (index of the hit, effort), as `score.study_time` takes them."""
  if trial.state == MISSING and reading.missing == 'missed':
    return math.inf, math.inf
  value = trial.measured(what, rung)
  if math.isinf(value):
    return math.inf, value
  at = trial.hits[rung] if trial.hits else None
  return -1 if at is None else at, value
