"""Cheaper races: what they cost and that pruning changes nothing."""

import dataclasses
import io
import math

import pytest
import rich.console
from hypothesis import given, settings, strategies as st

from scoring.rank import board, pruning, replay
from tests.support import made_boards as made

INF = math.inf
hits = st.one_of(
  st.just(INF),
  st.tuples(st.floats(1, 999), st.integers(1, 6)),
  st.sampled_from([(10.0, 2), (20.0, 2), (500.0, 3)]),  # Ties.
)


@st.composite
def races(draw):
  """Random races under every reading, with and without held-out variants."""
  suite = made.rules(
    'w',
    'v',
    held_out=draw(st.sampled_from([{}, {'h': 'w'}, {'h': 'w', 'g': 'v'}])),
    fastest=draw(st.sampled_from(['time', 'evaluation'])),
    cut=draw(st.sampled_from(['first', 'last'])),
    missing='missed',
  )
  trials = draw(st.integers(1, 3))
  keys = [
    (submission, workload, study, trial)
    for submission in 'abc'[: draw(st.integers(1, 3))]
    for workload in suite.workloads
    for study in range(draw(st.integers(1, 4)))  # Some may lack a study.
    for trial in range(1, trials + 1)
  ]
  return made.results(suite, {key: draw(hits) for key in keys})


def scores(results):
  return {
    s.submission: (s.score, s.rank) for s in board.make(results).standings
  }


@settings(max_examples=300)
@given(races())
def test_pruning_changes_no_score_and_no_rank(results):
  kept, saved = pruning.prune(results, results.trials)
  assert scores(dataclasses.replace(results, trials=kept)) == scores(results)
  before = sum(trial.seconds for trial in results.trials)
  after = sum(trial.seconds for trial in kept)
  assert sum(saved.values()) == pytest.approx(before - after)
  assert len(kept) == len(results.trials)


def saved(suite, seconds):
  results = made.results(suite, seconds)
  return pruning.prune(results, results.trials)[1]


def test_of_two_studies_a_slow_one_may_still_count():
  """Their median is a mean: 10 s make up for 60 s, though 60 is beyond 40."""
  seconds = {
    ('x', 'w', 0, 1): 10.0,
    ('x', 'w', 1, 1): 10.0,
    ('y', 'w', 0, 1): 10.0,
    ('y', 'w', 1, 1): 60.0,
  }
  assert saved(made.rules('w'), seconds)['beyond'] == 0
  seconds['y', 'w', 1, 1] = INF
  found = saved(made.rules('w'), seconds)
  assert found['beyond'] == pytest.approx(920)


def test_what_is_pruned_by_hand():
  rules = made.rules('w')
  # The second trial is stopped when it is as late as the first one's hit.
  beaten = saved(rules, {('x', 'w', 0, 1): 100.0, ('x', 'w', 0, 2): INF})
  assert beaten['beaten'] == pytest.approx(900)
  # Two misses of three decide the median: the third study is not run.
  decided = saved(rules, {('x', 'w', study, 1): INF for study in range(3)})
  assert decided['decided'] == pytest.approx(1000)
  # Two hits of three: later than the second of them, the third is above.
  fast = {('x', 'w', 0, 1): 10.0, ('x', 'w', 1, 1): 30.0, ('x', 'w', 2, 1): INF}
  assert saved(rules, fast)['decided'] == pytest.approx(970)
  # More than four times the fastest gives no credit.
  beyond = saved(rules, {('x', 'w', 0, 1): 10.0, ('y', 'w', 0, 1): INF})
  assert beyond['beyond'] == pytest.approx(960)
  suite = made.rules('w', held_out={'h': 'w'})
  base = saved(suite, {('x', 'w', 0, 1): INF, ('x', 'h', 0, 1): 500.0})
  assert base['no matter'] == pytest.approx(500)


def test_smaller_budgets_and_fewer_studies():
  seconds = {
    ('x', 'w', 0, 1): 100.0,
    ('x', 'w', 1, 1): 100.0,
    ('x', 'w', 2, 1): 100.0,
    ('y', 'w', 0, 1): 300.0,
    ('y', 'w', 1, 1): 600.0,
    ('y', 'w', 2, 1): 300.0,
  }
  found = replay.replay(made.results(made.rules('w'), seconds))
  cheaper = {one.what: one for one in found.cheaper}
  assert found.amount == pytest.approx(1500 / 3600)
  half = cheaper['50% of the budget']
  assert (half.amount, half.moved, half.largest) == (
    pytest.approx(1400 / 3600),
    0,
    0,
  )
  quarter = cheaper['25% of the budget']
  assert quarter.scores == {'x': 1.0, 'y': 0.0}
  assert quarter.largest == pytest.approx(1 / 3)
  # Of single studies, one says that y is beyond the cutoff.
  single = cheaper['1 of 3 studies']
  assert single.largest == pytest.approx(1 / 3)
  assert single.amount == pytest.approx(500 / 3600)
  assert single.same == 1.0


def test_a_board_by_steps_has_no_hours():
  seconds = {('x', 'w', 0, 1): 100.0, ('y', 'w', 0, 1): 300.0}
  results = made.results(made.rules('w'), seconds)
  by_steps = dataclasses.replace(results, effort='steps')
  found = replay.replay(by_steps, policy='safe')
  assert (found.unit, found.amount) == ('steps', 400)
  table = replay.table(found)
  assert table['steps'] == 400 and 'hours' not in table
  assert {'steps', 'what'} <= table['cheaper'][0].keys()
  assert table['stops']['steps'] == 0
  console = rich.console.Console(file=io.StringIO(), width=200)
  replay.show(found, console)
  said = console.file.getvalue()
  assert 'hours' not in said and '400' in said
  assert '0 steps' in said


@settings(max_examples=50, deadline=None)
@given(races())
def test_every_race_can_be_replayed(results):
  """A submission that lacked a study ended it with a KeyError."""
  found = replay.replay(results)
  names = found.scores.keys()
  assert all(one.scores.keys() == names for one in found.cheaper)
  assert found.cheaper[-1].largest == 0


def test_of_fewer_studies_every_cell_has_one():
  seconds = {('x', 'w', study, 1): 100.0 for study in range(3)}
  seconds |= {('y', 'w', 1, 1): 300.0}
  found = replay.replay(made.results(made.rules('w'), seconds))
  cheaper = {one.what: one for one in found.cheaper}
  # Study 1 alone; studies 0 and 1, or 1 and 2.
  assert cheaper['1 of 3 studies'].amount == pytest.approx(400 / 3600)
  assert cheaper['2 of 3 studies'].amount == pytest.approx(500 / 3600)
  # Where no two have a study in common, one is too few for both.
  seconds = {('x', 'w', 0, 1): 100.0, ('y', 'w', 1, 1): 300.0}
  found = replay.replay(made.results(made.rules('w'), seconds))
  assert not any('studies' in one.what for one in found.cheaper)


def test_many_studies_are_not_tried_in_all_ways():
  """There are a million choices of 20 studies; one cell has two studies."""
  hits = {('x', 'w', study, 1): 10.0 + study for study in range(20)}
  hits |= {('y', 'w', study, 1): 30.0 for study in range(2)}
  found = replay.replay(made.results(made.rules('w'), hits))
  fewer = [c.what for c in found.cheaper if 'of 20 studies' in c.what]
  assert '19 of 20 studies' in fewer and '10 of 20 studies' in fewer
