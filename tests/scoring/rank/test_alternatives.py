"""Rules of published boards on boards worked by hand."""

import dataclasses
import math

import numpy as np
import pytest

from scoring.rank import alternatives, board, score, times
from tests.support import made_boards as made

INF, NAN = math.inf, math.nan


def scores(suite, hits, integral='exact'):
  found = board.make(made.results(suite, hits), integral)
  return {s.submission: pytest.approx(s.score) for s in found.standings}


def one_study(**seconds):
  """{'x_w': 3.0} as hits of x on w."""
  return {(*name.split('_'), 0, 1): hit for name, hit in seconds.items()}


def test_who_misses_a_held_out_variant_loses_its_base():
  suite = made.rules('w', 'v', held_out={'h': 'w'})
  hits = one_study(x_w=10, x_v=10, x_h=INF, y_w=20, y_v=20, y_h=20)
  # y is the fastest of those that count on w, and twice as slow on v.
  assert scores(suite, hits) == {'x': 0.5, 'y': (1 + 2 / 3) / 2}
  cell = next(
    s.cells['w']
    for s in board.make(made.results(suite, hits)).standings
    if s.submission == 'x'
  )
  assert cell.seconds == 10 and cell.credit == 0
  assert cell.lost == 'h missed or beyond the cutoff'


def test_beyond_the_cutoff_on_a_held_out_variant_is_a_miss():
  suite = made.rules('w', held_out={'h': 'w'})
  hits = one_study(x_w=10, x_h=41, y_w=10, y_h=10, z_w=10, z_h=40)
  assert scores(suite, hits) == {'x': 0, 'y': 1, 'z': 1}


def test_a_variant_counts_only_for_those_who_reached_its_base():
  suite = made.rules('w', held_out={'h': 'w'})
  # x is fast on h, but missed w: y is within the cutoff of the fastest.
  hits = one_study(x_w=INF, x_h=1, y_w=10, y_h=10)
  assert scores(suite, hits) == {'x': 0, 'y': 1}


def test_the_order_of_the_cut_matters_to_the_slow():
  """On published boards a leader who is disqualified later still cuts."""
  hits = one_study(x_w=1, x_h=INF, y_w=10, y_h=10, z_w=20, z_h=20)
  held_out = {'h': 'w'}
  last = made.rules('w', held_out=held_out, cut='last')
  first = made.rules('w', held_out=held_out, cut='first')
  assert scores(last, hits) == {'x': 0, 'y': 1, 'z': 2 / 3}
  assert scores(first, hits) == {'x': 0, 'y': 0, 'z': 0}
  results = made.results(first, hits)
  found = alternatives.differences(results, board.make(results))
  assert {(d.departure.rule, d.submission) for d in found} == {
    ('cut', 'y'),
    ('cut', 'z'),
  }
  assert found[0].other == 1.0


def test_an_open_variant_leaves_its_base_open():
  suite = made.rules('w', held_out={'h': 'w'})
  hits = one_study(x_w=10, x_h=NAN, y_w=20, y_h=20)
  found = board.make(made.results(suite, hits))
  assert [(s.submission, s.rank) for s in found.standings] == [
    ('y', 1),
    ('x', None),
  ]
  assert found.standings[1].best_case == 1.0
  # But not where the base was missed anyway.
  hits = one_study(x_w=INF, x_h=NAN, y_w=20, y_h=20)
  found = board.make(made.results(suite, hits))
  assert [s.rank for s in found.standings] == [1, 2]


def test_the_fastest_trial_by_evaluations():
  """The published code takes the trial with the fewest evaluations."""
  hits = {
    ('x', 'w', 0, 1): (100.0, 3),
    ('x', 'w', 0, 2): (50.0, 4),  # Sooner, but at a later evaluation.
    ('y', 'w', 0, 1): (100.0, 3),
    ('y', 'w', 0, 2): (90.0, 3),  # Of two at the same one, the sooner.
  }
  by_time = board.make(made.results(made.rules('w'), hits))
  suite = made.rules('w', fastest='evaluation')
  results = made.results(suite, hits)
  found = board.make(results)
  seconds = [s.cells['w'].seconds for s in by_time.standings]
  assert seconds == [50.0, 90.0]
  assert {s.submission: s.cells['w'].seconds for s in found.standings} == {
    'x': 100.0,
    'y': 90.0,
  }
  other = alternatives.differences(results, found)
  assert [(d.departure.rule, d.submission) for d in other] == [
    ('fastest', 'y'),
    ('fastest', 'x'),
  ]


@pytest.mark.parametrize(
  ('missing', 'seconds', 'rank'),
  [('open', NAN, None), ('missed', INF, 1), ('left out', 15.0, 1)],
)
def test_studies_that_were_not_run(missing, seconds, rank):
  hits = {
    ('x', 'w', 0, 1): 10.0,
    ('x', 'w', 1, 1): 20.0,
    ('x', 'w', 2, 1): None,
    ('x', 'w', 3, 1): None,
  }
  found = board.make(made.results(made.rules('w', missing=missing), hits))
  [standing] = found.standings
  assert standing.cells['w'].seconds == pytest.approx(seconds, nan_ok=True)
  assert standing.rank == rank


def test_a_workload_that_was_left_out_altogether_is_missed():
  suite = made.rules('w', 'v', missing='left out')
  hits = one_study(x_w=10, x_v=None, y_w=10, y_v=10)
  found = board.make(made.results(suite, hits))
  assert [(s.submission, s.rank, s.score) for s in found.standings] == [
    ('y', 1, 1.0),
    ('x', 2, 0.5),
  ]
  # In the tables it is neither a time nor a miss.
  assert math.isnan(found.times.cells[0, 0, 1])


def test_damage_stays_open_whatever_the_reading():
  suite = made.rules('w', missing='left out', fastest='evaluation')
  hits = {('x', 'w', 0, 1): 10.0, ('x', 'w', 1, 1): NAN}
  [standing] = board.make(made.results(suite, hits)).standings
  assert (standing.rank, standing.open_cells) == (None, 1)


def test_one_submission_alone():
  suite = made.rules('w', 'v', 'u')
  hits = one_study(x_w=10, x_v=INF, x_u=99)
  assert scores(suite, hits) == {'x': 2 / 3}
  assert scores(suite, hits, 'published') == {'x': 2 / 3}


@pytest.mark.parametrize('ratio', [1.0, 1.001, 1.5, 2.0, 3.99, 4.0, 4.01, INF])
def test_the_published_integral_is_that_of_its_trapezoids(ratio):
  grid = np.linspace(1.0, 4.0, 100)
  profile = (ratio <= grid).astype(float)
  area = np.trapezoid(profile, grid) / 3
  found = score.credit(np.array(ratio), 4.0, 'published')
  assert found == pytest.approx(area, abs=1e-12)
  exact = score.credit(np.array(ratio), 4.0)
  assert abs(found - exact) <= 0.5 / 99 + 1e-12


def test_by_steps_and_without_compilation_the_order_may_differ():
  hits = {
    ('x', 'w', 0, 1): (10.0, 9),  # Step 100.
    ('y', 'w', 0, 1): (20.0, 4),  # Step 50.
  }
  results = made.results(made.rules('w'), hits)
  found = alternatives.measures(results, board.make(results))
  assert found['seconds'] == pytest.approx({'x': 1, 'y': 2 / 3})
  assert found['steps'] == pytest.approx({'x': 2 / 3, 'y': 1})
  assert found['compiled']['y'] == pytest.approx((4 - 19.5 / 9.5) / 3)
  # Not recorded in AlgoPerf's logs.
  bare = [
    t._replace(evals=t.evals._replace(compile=t.evals.compile * NAN))
    for t in results.trials
  ]
  found = alternatives.measures(
    dataclasses.replace(results, trials=bare),
    board.make(dataclasses.replace(results, trials=bare)),
  )
  assert set(found) == {'seconds', 'steps'}


def test_speedups_name_what_a_miss_takes():
  hits = one_study(x_w=100, x_v=100, y_w=50, y_v=INF)
  results = made.results(made.rules('w', 'v'), hits)
  x, y = alternatives.speedups(results, board.make(results), 'x')
  assert (x.geometric, x.arithmetic, x.both, x.shared) == (1, 1, 1, 2)
  # Twice as fast, and as slow as the budget of 1000 s.
  assert y.geometric == pytest.approx((2 * 0.1) ** 0.5)
  assert y.arithmetic == pytest.approx((2 + 0.1) / 2)
  assert (y.both, y.shared) == (pytest.approx(2), 1)


def test_comparing_with_someone_who_is_not_there_is_refused():
  results = made.results(made.rules('w'), one_study(y_w=1))
  found = board.make(results)
  assert alternatives.reference(found) == 'y'
  with pytest.raises(ValueError, match="No submission 'lion'"):
    alternatives.reference(found, 'lion')


def test_times_are_kept_as_they_are_measured():
  hits = {('x', 'w', study, 1): 10.0 * (study + 1) for study in range(4)}
  found = times.collect(made.results(made.rules('w'), hits))
  assert found.studies.tolist() == [[[[10, 20, 30, 40]]]]
  assert found.cells.tolist() == [[[25]]]
