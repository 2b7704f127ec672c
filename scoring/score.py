"""From times to the target to scores. Pure functions of tables; no files.

Times are charged seconds. A miss is inf, and an open cell NaN, all the way.

A submission's time on a workload is the median over studies of the fastest
trial's time to the target. Its score is the area under its performance profile
(Dolan and More 2002, doi:10.1007/s101070100263) between 1 and the cutoff, which
has a closed form: a workload reached in r times the fastest time adds
(cutoff - r) / (cutoff - 1), and nothing beyond the cutoff.
"""

import numpy as np
import pandas as pd

STUDY = ['submission', 'workload', 'study']


def study_times(trials: pd.DataFrame) -> pd.DataFrame:
  """The fastest trial of every study; open if any of its trials is.

  Args:
    trials: One row a trial: submission, workload, study, seconds.

  Returns:
    One row a study: submission, workload, study, seconds.
  """
  groups = trials.groupby(STUDY, sort=False)['seconds']
  return groups.min(skipna=False).reset_index()  # pyrefly: ignore


def workload_times(studies: pd.DataFrame) -> pd.DataFrame:
  """Submissions by workloads: the median over studies; open if any is.

  Of an even number of studies, the mean of the middle two: inf if one is.
  """
  groups = studies.groupby(STUDY[:2], sort=False)['seconds']
  return groups.median(skipna=False).unstack()  # pyrefly: ignore


def ratios(times: pd.DataFrame) -> pd.DataFrame:
  """How many times the fastest time: 1 is the fastest, inf a miss."""
  found = times / times.min()
  return found.mask(times == times.min(), 1.0).mask(np.isinf(times), np.inf)


def credit(times: pd.DataFrame, cutoff: float) -> pd.DataFrame:
  """What every workload adds: from 1 for the fastest to 0 at the cutoff."""
  return ((cutoff - ratios(times)) / (cutoff - 1)).clip(lower=0.0)


def score(times: pd.DataFrame, cutoff: float) -> pd.Series:
  """The mean over workloads of their credit; open cells add nothing yet."""
  return credit(times, cutoff).fillna(0.0).mean(axis=1)


def profile(times: pd.DataFrame, taus) -> pd.DataFrame:
  """Share of workloads each submission reaches within tau of the fastest."""
  within = ratios(times).to_numpy()[:, :, None] <= np.asarray(taus)
  return pd.DataFrame(within.mean(axis=1), times.index, taus)


def leaderboard(times: pd.DataFrame, cutoff: float) -> pd.DataFrame:
  """Ranked submissions first, then those with open cells, best first.

  Returns:
    By submission: rank (NaN with open cells; equal scores share one), score,
    best_case (the score if every open cell were the fastest), reached and
    open_cells (numbers of workloads).
  """
  missing = times.isna()
  board = pd.DataFrame(
    {
      'score': score(times, cutoff),
      'best_case': credit(times, cutoff).fillna(1.0).mean(axis=1),
      'reached': np.isfinite(times).sum(axis=1),
      'open_cells': missing.sum(axis=1),
    }
  )
  closed = board['score'].where(board['open_cells'] == 0)
  # Sums of the same credit in another order differ in the last digits.
  board.insert(0, 'rank', closed.round(12).rank(method='min', ascending=False))
  return board.sort_index().sort_values(
    ['rank', 'score'], ascending=[True, False], na_position='last'
  )
