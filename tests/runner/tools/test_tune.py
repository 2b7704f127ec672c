"""Calibration: one point of a submission for all workloads of a suite."""

import dataclasses
import json
import pathlib

import pytest

import submissions
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.protocol import plan_file, search_space, suite as rules
from runner.tools import tune
from tests.support import suites

SUITE = rules.load('mini')
ROW = dataclasses.replace(
  SUITE.workloads['criteo1tb/mini'], target=0.5, steps=100
)
TINY = suites.digits(target=0.5, steps=60)
MINE = '''"""SGD of a user's."""
import optax
from submissions.submission import from_optax
def build(task, *, rate, **options):
  return from_optax(task, optax.adam(rate), **options)
SELF = {'rate': 1e-9}
SPACE = [{'rate': 0.01}, {'rate': 1e-9}]
'''


def test_a_reached_target_costs_the_share_of_the_steps_it_took():
  assert tune.cost(ROW, [0, 40, 80], [0.9, 0.5, 0.6]) == 0.4


def test_a_miss_costs_more_than_any_hit_and_more_the_farther_it_is():
  near = tune.cost(ROW, [0, 100], [0.9, 0.55])
  far = tune.cost(ROW, [0, 100], [0.9, 0.8])
  assert near == pytest.approx(2 * 1.1)
  assert far == pytest.approx(2 * 1.6)
  assert tune.cost(ROW, [100], [float('nan')]) == 4.0
  assert tune.cost(ROW, [], []) == 4.0
  assert tune.cost(ROW, [0], [50.0]) == 4.0  # However far.


def test_higher_can_be_better():
  row = dataclasses.replace(ROW, better='higher')
  assert tune.cost(row, [50], [0.6]) == 0.5
  assert tune.cost(row, [50], [0.4]) == pytest.approx(2 * 1.2)


def test_candidates_are_self_and_a_list_each_once(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(MINE)
  found = tune.candidates(SUITE, submissions.find(str(path)), 2)
  assert found == [{'rate': 1e-9}, {'rate': 0.01}]


def test_draws_stay_near_self_and_without_it_go_everywhere(tmp_path):
  path, build = tmp_path / 'mine.py', 'def build(task, *, rate, **options): 1\n'
  wide = "SPACE = {'rate': {'min': 1e-8, 'max': 1.0, 'scaling': 'log'}}\n"
  path.write_text(build + wide + "SELF = {'rate': 0.01, 'grad_clip': 0.3}\n")
  first, *near = tune.candidates(SUITE, submissions.find(str(path)), 8)
  assert first == {'rate': 0.01, 'grad_clip': 0.3}
  assert all(0.01 / 3 <= one['rate'] <= 0.03 for one in near)
  assert all(one['grad_clip'] == 0.3 for one in near)
  path.write_text(build + wide)
  far = tune.candidates(SUITE, submissions.find(str(path)), 8)
  assert min(one['rate'] for one in far) < 1e-5


def test_the_part_of_a_space_around_a_point():
  given = {
    'inside': {'min': 0.1, 'max': 1.5, 'scaling': 'log'},
    'outside': {'min': 0.5, 'max': 1.0, 'scaling': 'log'},
    'zero': {'min': 0.0, 'max': 0.5, 'scaling': 'linear'},
    'choice': {'feasible_points': ['linear', 'cosine']},
    'settled': {'feasible_points': [0.05]},
  }
  point = {
    'inside': 0.9, 'outside': 0.25, 'zero': 0.0, 'choice': 'cosine',
    'settled': 0.1, 'other': None,
  }  # fmt: skip
  assert search_space.around(given, point) == {
    'inside': {'min': 0.9 / 3, 'max': 1.5, 'scaling': 'log'},
    'outside': {'min': 0.25, 'max': 0.75, 'scaling': 'log'},
    'zero': given['zero'],
    'choice': given['choice'],
    'settled': {'feasible_points': [0.1]},
    'other': {'feasible_points': [None]},
  }


def test_without_a_target_half_of_the_points_reach_one_from_the_search():
  values = [[0.9, 0.5], [0.8, 0.3], [0.4, float('nan')], [float('inf')], []]
  curves = [tune.Curve([0, 50][: len(v)], v) for v in values]
  row = dataclasses.replace(ROW, target=None)
  found = tune.aimed(row, curves)
  assert found.target == 0.4
  assert tune.aimed(row, curves[:2]).target == 0.3  # One reaches it.
  assert tune.aimed(ROW, curves) is ROW
  assert tune.aimed(row, curves[3:]) is row  # Nobody has a value.
  higher = dataclasses.replace(row, better='higher')
  assert tune.aimed(higher, curves[:3]).target == 0.8
  assert tune.aimed(higher, curves[1:3]).target == 0.8


def test_a_suite_without_targets_says_how_it_is_judged():
  rows = {'digits': dataclasses.replace(ROW, workload='digits', target=None)}
  told = tune.warning(dataclasses.replace(SUITE, workloads=rows), 'my.toml')
  assert 'no targets on criteo1tb/mini' not in told
  assert 'digits' in told and 'median' in told
  assert 'set-targets --suite=my.toml' in told
  assert not tune.warning(SUITE, 'mini')


@pytest.mark.parametrize('aimed', [True, False])
def test_the_better_point_wins_and_a_second_run_does_nothing_again(
  tmp_path, aimed
):
  path, suite = tmp_path / 'mine.py', tmp_path / 'tiny.toml'
  path.write_text(MINE)
  suite.write_text(TINY if aimed else TINY.replace('target = 0.5\n', ''))
  loaded = rules.load(str(suite))
  out = tmp_path / 'tuning'

  def run():
    machine = hardware.describe()
    return tune.tune(
      loaded,
      str(path),
      draws=1,
      machine=machine,
      out=out,
      options=TrialOptions(),
    )

  best, *rest = run()
  assert best.point == {'rate': 0.01}
  assert best.reached == 1 and best.mean <= 1
  assert [one.reached for one in rest] == [0]
  attempts = sorted(pathlib.Path(out).rglob('attempts.jsonl'))
  before = [path.read_text() for path in attempts]
  assert len(attempts) == 2
  assert run()[0] == best
  assert [path.read_text() for path in attempts] == before
  shown = tune.text('mine', [best, *rest], loaded)
  assert "SELF = {'rate': 0.01}" in shown
  stored = [json.loads(path.read_text()) for path in out.rglob('trial.json')]
  assert stored[0]['budget']['steps'] == 60  # By steps, not by seconds.
  seeds = {one['seed'] for one in stored}
  assert seeds == {tune.seed(loaded, 'digits')}


def test_points_are_chosen_by_no_seed_that_a_race_has():
  """Else a board shows the luck of the points that luck has chosen."""
  raced = {
    plan_file.seed(SUITE.seed, name, study, number)
    for name in SUITE.workloads
    for study in range(5)
    for number in range(1, 11)
  }
  assert not raced & {tune.seed(SUITE, name) for name in SUITE.workloads}
