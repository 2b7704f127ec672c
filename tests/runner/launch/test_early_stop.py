"""Trials that are stopped once another one of their study counts."""

import pytest

from runner.launch import attempt
from runner.launch.adviser import Adviser
from runner.protocol import layout, storage
from runner.protocol.records.advice import Advice
from scoring.load import results as read
from scoring.rank import alternatives
from tests.runner.trial.test_loop import Budget, Trial, counting
from tests.scoring.rank.test_score import race, standing
from tests.support import races, suites


def test_a_trial_is_stopped_when_another_one_was_faster():
  trial = Trial(counting(), Budget(100, 5, beaten=12))
  assert trial.ending.outcome == 'beaten'
  assert '12 s' in trial.ending.reason
  assert (trial.steps, trial.time[0]) == ([1, 6, 11], 13 + 3 * 10)
  # It may still be the faster one.
  assert Trial(counting(), Budget(100, 5, beaten=12), 6).ending.outcome == (
    'reached'
  )
  assert Trial(counting(), Budget(9, 5, beaten=12)).ending.outcome == 'budget'


def test_a_race_stops_what_cannot_count_any_more(tmp_path):
  """The second trial is held up, and stopped when the first one has won."""
  path = races.mine(
    tmp_path, 'mine', step='time.sleep(pause)', argument='pause'
  )
  points = [{'steps': 400, 'pause': 0.0}, {'steps': 400, 'pause': 0.5}]
  path.write_text(f'{path.read_text()}SPACE = {points}\n')
  flags = dict(
    suite=races.suite(tmp_path, target=0.5, trials=2),
    submissions=path,
    ruleset='external',
    studies=1,
  )
  out = tmp_path / 'out'
  done = races.run(tmp_path, 'run', '--prune', **flags, out=out)
  assert done.returncode == 0, done.stderr
  first, second = (
    layout.folder(out, 'mine', 'digits', 0, number) for number in (1, 2)
  )
  won, lost = layout.status(first), layout.status(second)
  assert (won.outcome, lost.outcome) == ('reached', 'beaten')
  assert won.seconds < lost.seconds < won.seconds + 10
  # The budget is as it was planned: submissions hear nothing of all this.
  trial = storage.read_json(second / layout.TRIAL)
  assert trial['budget_seconds'] == 600.0
  assert '1 beaten' in races.run(tmp_path, 'status', out=out).stdout
  results = read.read(out)
  assert [trial.open for trial in results.trials] == [False, False]


def test_who_races_by_steps_is_not_stopped_by_seconds(tmp_path):
  """As when tuning, where a beaten trial would look like a miss."""

  class Stopping(Adviser):
    def now(self, request):
      return Advice(request=request, limit=0.0, why='no reason')

  source = races.mine(tmp_path, 'mine').read_text()
  options = attempt.TrialOptions(stop='exact')
  advising = Stopping(tmp_path / 'out', 'none')
  status, _ = suites.trial(tmp_path, source, options=options, adviser=advising)
  assert status.outcome == 'ended'


def test_who_was_beaten_is_a_miss_and_no_cell_is_open(tmp_path):
  """What counts is as if all trials had been run to their ends."""
  hits = {('a', 'w', 0, 1): 30.0, ('a', 'w', 0, 2): 'beaten'}
  for trial in (1, 2):
    hits['b', 'w', 0, trial] = 60.0
  hits |= {(*key[:1], 'family/variant', *key[2:]): None for key in [*hits]}
  board = race(tmp_path, hits, at=30.1)
  a, b = standing(board, 'a'), standing(board, 'b')
  assert (a.open_cells, b.open_cells) == (0, 0)
  assert a.score > b.score > 0


def test_who_was_beaten_by_nobody_leaves_the_cell_open(tmp_path):
  """The trial that had won may be removed, or its target changed."""
  out = tmp_path / 'out'
  hits = {('a', 'w', 0, 1): 30.0, ('a', 'w', 0, 2): 'beaten'}
  hits |= {('a', 'family/variant', 0, n): None for n in (1, 2)}
  board = race(out, hits, at=29.9)
  assert standing(board, 'a').open_cells == 1
  [trial] = [t for t in read.read(out).trials if t.state == 'unclear']
  assert '29.9 s' in trial.reason and 'remove its folder' in trial.reason


def test_scores_by_steps_are_left_out_where_trials_were_beaten(tmp_path):
  """They might have led by them."""
  hits = {('a', 'w', 0, 1): 30.0, ('a', 'w', 0, 2): None}
  hits |= {('a', 'family/variant', 0, n): 20.0 for n in (1, 2)}
  for name, other in (('full', None), ('pruned', 'beaten')):
    board = race(tmp_path / name, hits | {('a', 'w', 0, 2): other}, at=30.1)
    results = read.read(tmp_path / name)
    found = alternatives.measures(results, board)
    assert ('steps' in found) == (other is None)
    assert found['seconds'] == {'a': pytest.approx(1.0)}
    assert any('1 trials were stopped' in r for r in results.remarks) == (
      other is not None
    )
