"""What AutoLRS decides on the host, against libraries and by hand."""

import math

import numpy as np
import pytest

from submissions import rate_search


def test_stages_double_and_search_as_long_as_they_train():
  probes = rate_search.stages(16000, 10, 0.0625, 0.25)
  assert probes == [100, 200, 400, 100]  # The last is what is left.
  assert sum(20 * probe for probe in probes) == 16000
  assert rate_search.stages(1600, 10, 0.0625, 0.0625, 8) == [8] * 10
  assert rate_search.stages(1, 10, 0.1, 0.1) == [4]  # One stage at least.


def test_an_exponential_is_forecast():
  losses = 2.0 * np.exp(-np.arange(40) / 20.1) + 0.5
  expected = 2.0 * np.exp(-399 / 20.1) + 0.5
  assert rate_search.forecast(losses, 400) == pytest.approx(expected, abs=0.05)
  rising = 1.0 + 0.01 * np.arange(40)
  assert rate_search.forecast(rising, 400) > 1.39


def test_outliers_of_the_first_half_are_dropped_before_a_forecast():
  losses = 2.0 * np.exp(-np.arange(100) / 50) + 0.5
  clean = rate_search.forecast(losses, 1000)
  losses[[3, 17, 30]] += 5
  assert rate_search.forecast(losses, 1000) == pytest.approx(clean, abs=0.05)


def test_the_gaussian_process_is_scikit_learns():
  from sklearn import gaussian_process as gp

  x, y = np.array([0.5, 0.1, 0.93]), np.array([0.2, -1.3, 1.1])
  at = np.linspace(0, 1, 30)
  theirs = gp.GaussianProcessRegressor(
    gp.kernels.RBF(0.2), alpha=0.01, optimizer=None
  ).fit(x[:, None], y)
  expected = theirs.predict(at[:, None], return_std=True)
  np.testing.assert_allclose(
    rate_search._process(x, y, at), expected, rtol=1e-6
  )


def test_proposals_begin_in_the_middle_and_find_the_best_rate():
  """Eight tries on a parabola over the logarithm of the rate."""
  rates, losses = (), ()
  for _ in range(8):
    rate = rate_search.propose(rates, losses, 1e-4, 1e-1)
    rates += (rate,)
    losses += (math.log10(rate / 6e-3) ** 2,)
  assert rates[0] == pytest.approx(10**-2.5)
  assert len(set(rates)) == 8
  assert min(losses) < 0.01
  assert all(1e-4 <= rate <= 0.1 * (1 + 1e-9) for rate in rates)
