"""New studies go where they tell ranks apart, by hand on small boards."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from runner.protocol.records import decisions
from scoring.load import results as read
from scoring.rank import allocation, board as boards, bootstrap, costs
from scoring.rank.allocation import MOST
from scoring.report import decision
from tests.scoring.rank.test_bootstrap import scored
from tests.support import made_results

CLOSE = {
  ('x', 'u'): [10.0, 10.0],
  ('x', 'v'): [10.0, 10.0],
  ('y', 'u'): [10.0, 10.0],
  ('y', 'v'): [9.5, 12.0],
}


def decided(studies, seconds=1.0, limit=math.inf):
  found = scored(studies)
  spread = bootstrap.bootstrap(found)
  costs = np.full(found.times.left_out.shape, seconds)
  return allocation.allocate(found, spread, costs, limit)


def places(found):
  return {(c.submission, c.workload): c.more for c in found.cells}


def test_the_only_noisy_cell_gets_all_new_studies():
  """The difference is -1/114, 1/80 or 1/30, with 1/4, 1/2 and 1/4, by hand."""
  found = decided(CLOSE)
  outcomes, chances = np.array([-1 / 114, 1 / 80, 1 / 30]), [0.25, 0.5, 0.25]
  mean = outcomes @ chances
  variance = 2 * (outcomes - mean) ** 2 @ chances
  needed = math.ceil(2 * variance / ((1 / 80) / allocation.REACH) ** 2)
  assert places(found) == {('y', 'v'): needed - 2}
  [cell] = found.cells
  assert (cell.studies, cell.seconds) == (2, needed - 2)
  assert cell.gain == pytest.approx(1 - 2 / needed)
  [pair] = found.doubted
  assert (pair.better, pair.worse) == ('x', 'y')
  assert pair.share == pytest.approx(0.75, abs=0.05)


def test_entries_that_are_apart_get_nothing():
  far = {('z', 'u'): [30.0, 34.0], ('z', 'v'): [30.0, 34.0]}
  assert places(decided(CLOSE | far)) == places(decided(CLOSE))
  apart = {key: times for key, times in CLOSE.items() if key[0] == 'x'}
  assert decided(apart | far) == ([], [], [], 0)


def test_the_noise_of_the_fastest_counts_for_all():
  """z has the best time on v, so its noise moves x and y against each other."""
  found = decided(
    {
      ('x', 'u'): [10.0, 10.0], ('x', 'v'): [20.0, 20.0],
      ('y', 'u'): [14.3, 14.3], ('y', 'v'): [15.0, 15.0],
      ('z', 'u'): [39.0, 39.0], ('z', 'v'): [8.0, 12.0],
    }
  )  # fmt: skip
  assert set(places(found)) == {('z', 'v')}


TWO_NOISY = {
  ('x', 'u'): [10.0, 10.0], ('x', 'v'): [10.0, 10.0], ('x', 'w'): [13.28] * 2,
  ('y', 'u'): [11.5, 12.5], ('y', 'v'): [11.0, 13.0], ('y', 'w'): [10.0] * 2,
}  # fmt: skip


def test_twice_the_deviation_gets_twice_the_studies():
  """Neyman's allocation: about 7.8 and 15.7 studies."""
  found = places(decided(TWO_NOISY))
  u, v = (2 + found['y', w] for w in 'uv')
  assert abs(u - 8) <= 1 and abs(v - 16) <= 1 and len(found) == 2


def test_cheap_cells_get_more():
  """Four times the seconds: half the studies."""
  costs = np.ones((2, 3))
  costs[1, 1] = 4.0
  found = places(decided(TWO_NOISY, costs))
  u, v = (2 + found['y', w] for w in 'uv')
  assert abs(u - v) <= 1


def test_a_second_study_comes_first_and_near_neighbours_before_others():
  found = decided(
    CLOSE | {('y', 'v'): [10.1], ('z', 'u'): [30.0], ('z', 'v'): [30.0, 31.0]}
  )
  assert [(c.submission, c.workload, c.more) for c in found.cells] == [
    ('y', 'v', 1), ('z', 'u', 1),
  ]  # fmt: skip
  assert {c.gain for c in found.cells} == {None}


def test_without_any_second_study_all_cells_get_one():
  single = {key: times[:1] for key, times in CLOSE.items()}
  board = scored(single)
  found = allocation.allocate(board, None, np.ones((2, 2)))
  assert places(found) == dict.fromkeys(single, 1)
  half = allocation.allocate(board, None, np.ones((2, 2)), limit=2.0)
  assert len(half.cells) == 2


def test_pairs_that_are_too_near_get_nothing():
  same = {key: [10.0, 10.0] for key in CLOSE}
  found = decided(same)
  assert not found.cells and not found.doubted
  assert [(p.better, p.worse) for p in found.near] == [('x', 'y')]
  nearly = decided(CLOSE | {('y', 'v'): [8.0, 12.01]})
  assert not nearly.cells and len(nearly.near) == 1


def test_seconds_are_kept():
  found = decided(CLOSE, seconds=7.0, limit=30.0)
  assert places(found) == {('y', 'v'): 4} and found.seconds == 28.0


def test_no_cell_gets_more_than_the_most():
  found = decided(CLOSE | {('y', 'v'): [9.0, 12.5]})
  assert all(c.studies + c.more <= MOST for c in found.cells)


def test_an_unranked_submission_is_left_out():
  found = decided(
    CLOSE | {('z', 'u'): [math.nan, 1.0], ('z', 'v'): [10.0, 10.0]}
  )
  assert set(places(found)) <= {('y', 'v')}


def test_a_second_study_that_does_not_fit_is_still_missing():
  single = {key: times[:1] for key, times in CLOSE.items()}
  board = scored(single)
  found = allocation.allocate(board, None, np.ones((2, 2)), limit=0.5)
  assert (found.cells, found.single) == ([], 4)
  table = decision.table(found, board, None, 1)
  assert not table['apart'] and '--hours' in table['reasons'][-1]


def test_what_is_printed():
  board = scored(CLOSE)
  spread = bootstrap.bootstrap(board)
  found = allocation.allocate(board, spread, np.full((2, 2), 900.0))
  more = found.cells[0].more
  assert decision.lines(found, board, jobs=2) == [
    f'{more} more studies in about {more / 8:.2f} h, to tell the order of x '
    'and y.'
  ]
  table = decision.table(found, board, spread, 1)
  assert table['hours'] == pytest.approx(more / 4)
  assert table['bands'] == {'x': [1, 2], 'y': [1, 2]}
  assert decisions.parse(json.dumps(table)) == decisions.Decision(
    cells=(('y', 'v'),), reasons=tuple(table['reasons'])
  )
  assert not table['apart']
  near = scored({key: [10.0, 10.0] for key in CLOSE})
  spread = bootstrap.bootstrap(near)
  said = allocation.allocate(near, spread, np.ones((2, 2)))
  assert decision.lines(said, near, 1) == [
    f'Too near for {MOST} studies of every cell: x and y.'
  ]
  alone = scored({('x', 'u'): [10.0]})
  none = allocation.allocate(alone, None, np.ones((1, 1)))
  assert 'fewer than two' in decision.lines(none, alone, 1)[0]


def test_the_command_prints_json(tmp_path):
  folder = made_results.race(tmp_path / 'results')
  done = subprocess.run(
    [sys.executable, '-m', 'scoring', 'decide', str(folder), '--json'],
    capture_output=True,
    text=True,
    check=True,
  )
  table = json.loads(done.stdout)
  assert table['schema'] == 1
  assert table['apart'] == (not table['in_doubt'])


def test_steps_do_not_count_as_seconds(tmp_path):
  """A study of 7,000 steps was once said to take 7,000 s."""
  folder = made_results.race(tmp_path / 'results')
  timed = boards.make(read.read(folder))
  results = read.read(folder, effort='steps')
  board = boards.make(results)
  found = costs.study_seconds(results, board)
  np.testing.assert_allclose(
    found, costs.study_seconds(read.read(folder), timed)
  )
  for path in folder.rglob('attempts.jsonl'):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [json.dumps(x) + '\n' for x in lines if x['event'] != 'exit']
    path.write_text(''.join(kept))
  results = read.read(folder, effort='steps')
  with pytest.raises(ValueError, match='it is unknown what more studies cost'):
    costs.study_seconds(results, boards.make(results))


def test_seconds_are_those_of_the_trials(tmp_path):
  folder = made_results.race(tmp_path / 'results')
  results = read.read(folder)
  board = boards.make(results)
  found = costs.study_seconds(results, board)
  exits = [
    1.15 * trial.seconds + 4
    for trial in results.trials
    if trial.key[:2] == ('lion', 'digits')
  ]
  n = board.times.submissions.index('lion')
  assert found[n, 0] == pytest.approx(np.mean(exits))
