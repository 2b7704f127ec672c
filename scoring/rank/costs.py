"""Cost of one more study of each cell."""

import math

import numpy as np

from scoring.load import details as records
from scoring.load.results import Results
from scoring.rank.board import Board


def study_seconds(results: Results, board: Board) -> np.ndarray:
  """Return the wall seconds [N, W] that one study of each cell takes.

  Seconds are the mean over the trials that ran, times the trials of a study;
  where none ran, the mean of the workload, or its budget (by steps, the mean of
  all trials).

  Args:
    results: The results that the board was made from.
    board: The scored board.

  Raises:
    ValueError: the board is by steps, and no trial has recorded wall seconds.
  """
  by_steps = board.effort == 'steps'  # Efforts and budgets are no seconds then.
  names = list(board.rules.workloads)
  shape = (len(board.times.submissions), len(names))
  sums, counts = np.zeros(shape), np.zeros(shape)
  trials = {trial.key.trial for trial in results.trials}
  for trial in results.trials:
    wall = records.read(trial, None).wall
    seconds = wall or (math.nan if by_steps else trial.seconds)
    if math.isfinite(seconds) and seconds > 0:
      place = (
        board.times.submissions.index(trial.key.submission),
        names.index(trial.key.workload),
      )
      sums[place] += seconds
      counts[place] += 1
  if by_steps and not counts.any():
    raise ValueError(
      'No trial has recorded its wall seconds, so by steps it is unknown what '
      'more studies cost. Use --by=seconds.'
    )
  others = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
  if by_steps:
    budgets = np.full(len(names), sums.sum() / counts.sum())
  else:
    budgets = np.array([results.budgets.get(name, 0.0) for name in names])
  others = np.where(counts.sum(axis=0) > 0, others, budgets)
  mean = np.where(counts > 0, sums / np.maximum(counts, 1), others)
  return len(trials) * mean
