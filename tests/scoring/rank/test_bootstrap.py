"""Intervals, comparisons and what hangs on single workloads."""

import math

import numpy as np
import pytest

from scoring.rank import board, bootstrap
from tests.support import made_boards as made

INF = math.inf


def scored(studies, **more):
  """From {(submission, workload): times by study}."""
  hits = {
    (submission, workload, study, 1): seconds
    for (submission, workload), times in studies.items()
    for study, seconds in enumerate(times)
  }
  names = sorted({workload for _, workload in studies})
  return board.make(made.results(made.rules(*names, **more), hits))


def test_one_study_says_nothing_of_the_noise():
  found = scored({('x', 'w'): [10], ('y', 'w'): [99]})
  assert bootstrap.bootstrap(found) is None


def test_studies_that_agree_leave_no_doubt():
  found = scored({('x', 'w'): [10] * 3, ('y', 'w'): [20] * 3})
  spread = bootstrap.bootstrap(found, draws=50)
  assert bootstrap.interval(found, spread, 'y') == pytest.approx((2 / 3, 2 / 3))
  assert spread.faster.tolist() == [[0.5, 1], [0, 0.5]]
  assert bootstrap.rank_interval(found, spread, 'y') == (2, 2)


def test_where_cells_are_open_there_is_no_interval():
  """A lacking study once counted as if it were like the others."""
  hits = {
    (submission, workload, study, 1): 10.0 + study
    for submission in 'xy'
    for workload in 'vw'
    for study in range(3)
  }
  hits['x', 'w', 1, 1] = None
  found = board.make(made.results(made.rules('v', 'w'), hits))
  assert found.closed.tolist() == [False, True]
  spread = bootstrap.bootstrap(found, draws=50)
  assert bootstrap.interval(found, spread, 'x') is None
  assert bootstrap.interval(found, spread, 'y') is not None


def test_intervals_are_the_quantiles_of_all_resamples():
  """Of three studies there are 27 equally likely draws: all are counted."""
  times = [10.0, 20.0, 30.0]
  found = scored({('x', 'w'): [10.0] * 3, ('y', 'w'): times})
  spread = bootstrap.bootstrap(found, draws=20_000, seed=3)
  grid = np.array(np.meshgrid(times, times, times)).reshape(3, -1)
  medians = np.median(grid, axis=0)
  share = (medians > 10).mean()  # How often x is ahead; else they are equal.
  assert spread.faster[0, 1] == pytest.approx(share + (1 - share) / 2, abs=0.01)
  low, high = bootstrap.interval(found, spread, 'y')
  assert (low, high) == pytest.approx((1 / 3, 1.0))


def test_draws_are_repeatable_and_their_number_hardly_matters():
  rng = np.random.default_rng(0)
  studies = {
    (s, w): rng.uniform(10, 30, 5).tolist() for s in 'xyz' for w in 'uvw'
  }
  found = scored(studies)
  one, same, more = (
    bootstrap.bootstrap(found, draws=n, seed=1) for n in (1000, 1000, 4000)
  )
  np.testing.assert_array_equal(one.low, same.low)
  np.testing.assert_array_equal(one.faster, same.faster)
  np.testing.assert_allclose(one.low, more.low, atol=0.03)
  np.testing.assert_allclose(one.faster + one.faster.T, 1.0)


def test_shared_seeds_are_drawn_together():
  """y is always a little slower than x: what studies share is no noise."""
  times = [10.0, 100.0, 1000.0]
  found = scored({('x', 'w'): times, ('y', 'w'): [1.1 * t for t in times]})
  paired = found._replace(times=found.times._replace(paired=True))
  assert bootstrap.bootstrap(paired).faster[0, 1] == 1
  assert bootstrap.bootstrap(found).faster[0, 1] < 0.9


def test_drawing_workloads_asks_another_question():
  found = scored(
    {
      ('x', 'u'): [10] * 3,
      ('x', 'v'): [10] * 3,
      ('y', 'u'): [10] * 3,
      ('y', 'v'): [INF] * 3,
    }
  )
  studies = bootstrap.bootstrap(found)
  assert bootstrap.interval(found, studies, 'y') == (0.5, 0.5)
  workloads = bootstrap.bootstrap(found, 'workloads')
  assert bootstrap.interval(found, workloads, 'y') == (0.0, 1.0)
  # One study suffices for it.
  single = scored({('x', 'u'): [10], ('y', 'u'): [20]})
  assert bootstrap.bootstrap(single, 'workloads') is not None


def test_leaving_out_one_workload():
  found = scored(
    {
      ('x', 'u'): [10],
      ('x', 'v'): [40],
      ('y', 'u'): [20],
      ('y', 'v'): [10],
    }
  )
  without = bootstrap.without(found)
  assert without == {
    'u': pytest.approx({'x': 0, 'y': 1}),
    'v': pytest.approx({'x': 1, 'y': 2 / 3}),
  }


def test_bands_enclose_the_profile():
  rng = np.random.default_rng(0)
  studies = {
    (s, w): rng.uniform(10, 30, 3).tolist() for s in 'xy' for w in 'uvw'
  }
  found = scored(studies)
  spread = bootstrap.bootstrap(found)
  low, high = spread.bands
  assert low.shape == (2, len(spread.taus))
  assert (low <= high).all() and (low >= 0).all() and (high <= 1).all()
  assert (np.diff(high, axis=-1) >= -1e-6).all()


def paired(studies):
  """Board of {(submission, workload): {study: seconds}} with shared seeds."""
  hits = {
    (submission, workload, study, 1): seconds
    for (submission, workload), times in studies.items()
    for study, seconds in times.items()
  }
  names = sorted({workload for _, workload in studies})
  found = board.make(made.results(made.rules(*names), hits))
  return found._replace(times=found.times._replace(paired=True))


@pytest.mark.parametrize('extra', [{}, {3: 950.0, 4: 960.0}])
def test_studies_of_one_number_stay_together_whatever_others_have(extra):
  """x is always a little faster than y, and z has other studies."""
  times = {0: 10.0, 1: 100.0, 4: 1000.0}
  found = paired(
    {
      ('x', 'w'): times,
      ('y', 'w'): {study: 1.1 * t for study, t in times.items()},
      ('z', 'w'): {0: 900.0, 2: 900.0, **extra},
    }
  )
  assert bootstrap.bootstrap(found).faster[0, 1] == 1


def test_cells_with_more_studies_draw_their_common_ones_together():
  """y has two studies more; three are those of x, which differ by 10 %."""
  times = {study: 10.0 ** (1 + study % 3) for study in range(5)}
  found = paired(
    {
      ('x', 'w'): {study: times[study] for study in range(3)},
      ('y', 'w'): {study: 1.1 * t for study, t in times.items()},
    }
  )
  both = bootstrap.studies_again(np.random.default_rng(0), found, 4000)
  logs = np.log(both[:, 0, :, 0])
  assert np.corrcoef(logs.T)[0, 1] > 0.4


def test_draws_of_a_cell_are_equally_likely_whatever_others_have():
  found = paired(
    {
      ('x', 'w'): {1: 10.0},
      ('y', 'w'): {0: 20.0, 3: 30.0},
      ('z', 'w'): dict.fromkeys(range(5), 40.0),
    }
  )
  x, y, z = bootstrap.studies_again(
    np.random.default_rng(0), found, 20_000
  )[:, 0, :, 0].T  # fmt: skip
  assert set(x) == {10.0} and set(z) == {40.0}
  shares = [(y == value).mean() for value in (20.0, 25.0, 30.0)]
  assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def test_cells_without_a_common_study_are_drawn_apart():
  """The first of these and the first of those have no seed in common."""
  times = [10.0, 100.0, 1000.0]
  found = paired(
    {
      ('x', 'w'): dict(zip((0, 1, 2), times, strict=True)),
      ('y', 'w'): dict(zip((3, 4, 5), times, strict=True)),
    }
  )
  both = bootstrap.studies_again(np.random.default_rng(0), found, 4000)
  logs = np.log(both[:, 0, :, 0])
  assert abs(np.corrcoef(logs.T)[0, 1]) < 0.05
