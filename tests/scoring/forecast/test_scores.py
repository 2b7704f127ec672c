"""Scores against closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from scoring.forecast import scores


@pytest.mark.parametrize('outcome', [-1.0, 0.0, 0.3, 2.5])
def test_crps_of_a_gaussian(outcome):
  """Gneiting and Raftery 2007, eq. 21: the closed form."""
  count = 20_000
  samples = stats.norm.ppf((np.arange(count) + 0.5) / count)
  density, below = stats.norm.pdf(outcome), stats.norm.cdf(outcome)
  expected = outcome * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi)
  weights = np.full(count, 1 / count)
  # Quantiles cut the tails a little.
  assert scores.crps(samples, weights, outcome) == pytest.approx(
    expected, abs=1e-3
  )


def test_crps_of_a_point_is_the_absolute_error():
  assert scores.crps(np.array([2.0]), np.array([1.0]), 5.0) == 3.0


def test_crps_of_weighted_samples_by_hand():
  """Two values, 1/4 and 3/4: E|X - y| = 0.75, E|X - X'| = 2/4 * 3/4."""
  found = scores.crps(np.array([0.0, 1.0]), np.array([0.25, 0.75]), 0.0)
  assert found == pytest.approx(0.75 - 0.5 * 0.375)


def test_the_truth_has_the_least_crps():
  rng = np.random.default_rng(0)
  outcomes = rng.standard_normal(500)
  samples, weights = rng.standard_normal(500), np.full(500, 1 / 500)
  true, narrow, wide = (
    np.mean([scores.crps(f * samples, weights, y) for y in outcomes])
    for f in (1.0, 0.4, 2.5)
  )
  assert true < min(narrow, wide)


def test_intervals_cover_an_outcome_at_its_level():
  assert scores.covered(0.5, 0.5, 0.5) == 1
  assert scores.covered(0.1, 0.1, 0.5) == 0
  assert scores.covered(0.1, 0.1, 0.8) == 1


def test_a_point_mass_is_covered_by_its_share():
  """Half of all samples have the outcome: levels 0 to 0.5."""
  low, high = scores.level(np.array([0, 0, 1, 2]), np.full(4, 0.25), 0.0)
  assert (low, high) == (0.0, 0.5)
  assert scores.covered(low, high, 0.5) == pytest.approx(0.5)
