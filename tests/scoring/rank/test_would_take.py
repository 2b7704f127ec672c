"""The effort that a miss would have taken: a forecast with an interval."""

import math

import numpy as np
import pytest

from scoring.load.evals import Evals
from scoring.rank import board, would_take
from tests.support import made_boards

STEPS = np.arange(5.0, 101.0, 5.0)


def missed(values, state='budget'):
  suite = made_boards.rules('w')
  results = made_boards.results(suite, {('x', 'w', 0, 1): math.inf})
  [trial] = results.trials
  evals = Evals(STEPS, 10 * STEPS, np.array(values), 0 * STEPS)
  return suite.workloads['w'], trial._replace(evals=evals, state=state)


def test_near_misses_need_less_than_far_ones():
  near = missed(0.9 - 0.39 * (STEPS / 100) ** 0.5)
  far = missed(0.9 - 0.05 * (STEPS / 100) ** 0.5)
  found = [
    would_take.budgets(trial, spec, planned=True) for spec, trial in (near, far)
  ]
  for low, middle, high in found:
    assert 1 < low <= middle <= high
  assert found[0][1] < found[1][1]
  assert found[0][0] < 2
  assert math.isinf(found[1][-1])


@pytest.mark.parametrize('values', [[0.9] * 18 + [0.4] * 2, [math.nan] * 20])
def test_nothing_is_forecast_of_hits_and_without_numbers(values):
  spec, trial = missed(values)
  finite = np.isfinite(trial.evals.values)
  if finite.any():
    assert would_take.budgets(trial, spec, planned=True) == ()
  made = made_boards.results(made_boards.rules('w'), {('x', 'w', 0, 1): 9.0})
  assert would_take.table(board.make(made), planned=False) == {}
