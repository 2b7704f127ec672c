"""One entry against another: factor, interval, and where it is not faster."""

import math

import numpy as np
import pytest

from scoring.rank import board, versus
from scoring.report import verdict
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
  results = made.results(made.rules(*names, **more), hits)
  return results, board.make(results)


def compared(studies, budgets=None):
  _, found = scored(studies)
  return versus.compare(found, 'mine', 'adamw', budgets or {})


def test_the_factor_is_the_geometric_mean_over_workloads():
  found = compared(
    {
      ('mine', 'u'): [10], ('adamw', 'u'): [20],
      ('mine', 'v'): [16], ('adamw', 'v'): [4],
    }
  )  # fmt: skip
  assert found.factor == pytest.approx(math.sqrt(0.5 * 4))
  assert found.cells == pytest.approx({'u': 0.5, 'v': 4.0})
  # All draws of two workloads: both u, both v, or one of each.
  assert (found.low, found.high) == pytest.approx((0.5, 4.0))
  assert found.unit == 'workloads'


def test_workloads_that_agree_leave_no_doubt():
  studies = {}
  for name in 'uvwx':
    studies |= {('mine', name): [9.0], ('adamw', name): [10.0]}
  found = compared(studies)
  assert (found.low, found.factor, found.high) == pytest.approx([0.9] * 3)


def test_a_miss_takes_the_budget():
  found = compared(
    {
      ('mine', 'u'): [INF], ('adamw', 'u'): [20],
      ('mine', 'v'): [5], ('adamw', 'v'): [INF],
    },
    {'u': 40.0, 'v': 40.0},
  )  # fmt: skip
  assert found.cells == pytest.approx({'u': 2.0, 'v': 0.125})
  assert (found.missed, found.gained) == (['u'], ['v'])


def test_a_target_that_both_miss_tells_nothing():
  found = compared({('mine', 'u'): [INF], ('adamw', 'u'): [INF]}, {'u': 40.0})
  assert found.factor == 1.0
  assert compared({('mine', 'u'): [INF], ('adamw', 'u'): [INF]}) is None


def test_several_studies_are_drawn_as_well():
  found = compared({('mine', 'u'): [8, 10, 12], ('adamw', 'u'): [10, 10, 10]})
  assert found.unit == 'both'
  assert found.factor == pytest.approx(1.0)
  assert (found.low, found.high) == pytest.approx((0.8, 1.2))


def test_open_cells_are_left_out():
  found = compared(
    {
      ('mine', 'u'): [math.nan], ('adamw', 'u'): [20],
      ('mine', 'v'): [10], ('adamw', 'v'): [20],
    }
  )  # fmt: skip
  assert found.cells == pytest.approx({'v': 0.5})


def test_equal_seeds_give_equal_intervals():
  rng = np.random.default_rng(0)
  studies = {
    (s, w): rng.uniform(5, 30, 2).tolist()
    for s in ('mine', 'adamw')
    for w in 'uvw'
  }
  _, found = scored(studies)
  one, same, other = (
    versus.compare(found, 'mine', 'adamw', {}, seed=seed) for seed in (1, 1, 2)
  )
  assert one == same != other


@pytest.mark.parametrize(
  ('times', 'words'),
  [
    ([5.0, 5.0], 'so it is faster.'),
    ([20.0, 20.0], 'so it is slower.'),
    ([5.0, 20.0], 'does not tell which one is faster.'),
  ],
)
def test_the_paragraph_says_no_more_than_the_interval(times, words):
  studies = {}
  for name, time in zip('uv', times, strict=True):
    studies |= {('mine', name): [time], ('adamw', name): [10.0]}
  text = verdict.text(*scored(studies), 'mine', 'adamw')
  assert words in text
  assert text.startswith('mine: it reaches 2 of 2 targets')


def test_the_paragraph_names_what_is_not_better():
  studies = {
    ('mine', 'u'): [15.0], ('adamw', 'u'): [10.0],
    ('mine', 'v'): [INF], ('adamw', 'v'): [10.0],
    ('mine', 'w'): [5.0], ('adamw', 'w'): [INF],
  }  # fmt: skip
  text = verdict.text(*scored(studies), 'mine', 'adamw')
  assert 'It is slower on u (1.50 times).' in text
  assert 'It misses v, where adamw reaches the target.' in text
  assert 'It alone reaches the target of w.' in text
