"""Trials are stopped live by facts that leave every score as it is."""

import dataclasses
import math

import pytest
from hypothesis import given, settings, strategies as st

from runner.protocol.timing.programs import Program
from scoring.load import limits, pruned
from scoring.load.trial import BEATEN, MISSING
from scoring.rank import board
from tests.scoring.rank.test_ladder import by_rung, races, scores
from tests.support import made_boards as made

INF = math.inf


def raced(results, order, programs=None):
  """Return the trials as they would have been stopped in a live race."""
  now = {
    trial.key: trial._replace(state=MISSING, hits=(), open=True)
    for trial in results.trials
  }
  for trial in order:
    field = limits.Field(results.rules, now.values(), programs)
    limit = field.limit(trial)
    if limit.seconds < trial.seconds:
      trial = trial.until(limit.seconds)
      if trial.at is None:
        trial = trial._replace(state=BEATEN, reason=limit.reason)
    now[trial.key] = trial
  return list(now.values())


@settings(max_examples=150, deadline=None)
@given(races(), st.randoms(use_true_random=False))
def test_a_live_race_in_any_order_has_the_scores_of_the_whole_race(
  results, random
):
  rules = results.rules
  reading = dataclasses.replace(rules.interpretation, fastest='time')
  rules = dataclasses.replace(rules, interpretation=reading)
  results = dataclasses.replace(results, rules=rules)
  shuffled = random.sample(results.trials, len(results.trials))
  for order in (results.trials, shuffled):
    found, said = pruned.checked(rules, raced(results, order))
    assert not any(trial.open for trial in found)
    assert bool(said) == any(trial.state == BEATEN for trial in found)
    stopped = dataclasses.replace(results, trials=found)
    assert scores(board.make(stopped)) == scores(board.make(results))
    for one, other in zip(by_rung(stopped), by_rung(results), strict=True):
      assert scores(one) == scores(other)


def stopped(rules, seconds, key, **kinds):
  """Return the limit of one trial, with all others as they were run."""
  results = made.results(rules, seconds)
  programs = None
  if kinds:
    programs = {
      trial.key: Program(*trial.key[:2], kinds.get(f'n{trial.key.trial}', ()))
      for trial in results.trials
    }
  field = limits.Field(results.rules, results.trials, programs)
  [trial] = [t for t in results.trials if t.key == key]
  return field.limit(trial)


def test_each_fact_by_hand():
  rules = made.rules('w', held_out={'h': 'w'})
  alone = made.rules('w')
  beaten = {('x', 'w', 0, 1): 10.0, ('x', 'w', 0, 2): 99.0}
  assert stopped(alone, beaten, ('x', 'w', 0, 2)) == (10.0, 'beaten')
  missed = {('x', 'w', n, 1): INF for n in range(3)}
  assert stopped(alone, missed, ('x', 'w', 2, 1)) == (0.0, 'decided')
  hits = {('x', 'w', n, 1): 10.0 * (n + 1) for n in range(3)}
  assert stopped(alone, hits, ('x', 'w', 2, 1)) == (20.0, 'decided')
  other = {('y', 'w', 0, 1): 10.0, ('x', 'w', 0, 1): 99.0}
  assert stopped(alone, other, ('x', 'w', 0, 1)) == (
    alone.cutoff * 10.0,
    'beyond',
  )
  assert stopped(rules, other, ('x', 'w', 0, 1)).seconds == INF
  based = {('x', 'w', 0, 1): INF, ('x', 'h', 0, 1): 10.0}
  assert stopped(rules, based, ('x', 'h', 0, 1)) == (0.0, 'no matter')


def test_by_steps_only_trials_of_one_program_are_compared():
  alone = made.rules('w')
  beaten = {('x', 'w', 0, 1): 10.0, ('x', 'w', 0, 2): 99.0}
  key = ('x', 'w', 0, 2)
  same = {'n1': ('a',), 'n2': ('a',)}
  assert stopped(alone, beaten, key, **same) == (10.0, 'beaten')
  assert stopped(alone, beaten, key, n1=('b',), n2=('a',)).seconds == INF
  other = {('y', 'w', 0, 1): 10.0, ('x', 'w', 0, 1): 99.0}
  assert stopped(alone, other, ('x', 'w', 0, 1), n1=()).seconds == INF


@pytest.mark.parametrize('gone', [0, 1])
def test_a_stop_without_its_reason_leaves_the_cell_open(gone):
  """Two stopped studies must not be the reason of each other."""
  alone = made.rules('w')
  results = made.results(alone, {('x', 'w', n, 1): INF for n in range(5)})
  trials = raced(results, results.trials)
  assert [t.state == BEATEN for t in trials] == [False] * 3 + [True] * 2
  trials[gone] = trials[gone].opened(MISSING, '')
  found, _ = pruned.checked(alone, trials)
  assert [t.open for t in found[3:]] == [True, True]
  assert 'remove its folder' in found[4].reason
