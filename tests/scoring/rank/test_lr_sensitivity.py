"""How much hangs on the learning rate, against integrals worked by hand."""

import dataclasses
import math

import numpy as np
import pytest

from scoring.load.details import Details
from scoring.rank import lr_sensitivity
from tests.support import made_boards as made

INF = math.inf


def measured(points, hits, change=lambda trial: trial):
  """Of x on w; points and hits by trial, from 1."""
  results = made.results(
    made.rules('w'),
    {('x', 'w', 0, n): hit for n, hit in enumerate(hits, start=1)},
  )
  results = dataclasses.replace(
    results, trials=[change(t) for t in results.trials]
  )
  details = {
    trial.key: Details(points[trial.key.trial - 1], '', {}, {}, None, 0, 0, [])
    for trial in results.trials
  }
  return lr_sensitivity.measure(results, details)


def rates(*values, **others):
  return [{'learning_rate': value, **others} for value in values]


def test_the_mean_over_the_logarithm_of_the_rate():
  # 0, 300 and 900 s more than the best, at rates evenly apart.
  [found] = measured(rates(0.1, 1.0, 10.0), [100.0, 400.0, INF])
  assert found.rates == [0.1, 1.0, 10.0]
  assert found.seconds == pytest.approx((0 / 2 + 300 + 900 / 2) / 2)
  # Hits end at 0.4, a miss at 0.9 where it began.
  assert found.metric == pytest.approx((0 / 2 + 0 + 0.5 / 2) / 2)


def test_rates_that_do_not_matter():
  [found] = measured(rates(0.1, 0.2, 5.0), [50.0, 50.0, 50.0])
  assert (found.metric, found.seconds) == (0, 0)


def test_divergence_counts_as_no_progress():
  def diverged(trial):
    values = trial.evals.values.copy()
    values[-1] = np.nan if trial.key.trial == 3 else values[-1]
    return trial._replace(evals=trial.evals._replace(values=values))

  [found] = measured(rates(1.0, 2.0, 4.0), [50.0, 50.0, INF], diverged)
  assert found.metric == pytest.approx((0.5 / 2) / 2)


@pytest.mark.parametrize(
  'points',
  [
    rates(0.1, 1.0),  # Too few.
    [{'learning_rate': 10.0**n, 'beta': n} for n in range(3)],  # Not alone.
    [{'beta': n} for n in range(3)],
    rates('high', True, -1.0),
  ],
)
def test_other_grids_say_nothing(points):
  assert measured(points, [10.0] * len(points)) == []
