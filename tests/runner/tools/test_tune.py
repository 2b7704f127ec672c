"""Calibration: one point of a submission for all workloads of a suite."""

import dataclasses
import inspect
import json
import pathlib

import pytest

import submissions
from runner.executors import jobs, race as race_of_trials
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.protocol import plan_file
from runner.protocol.records import tunings
from runner.protocol.suites import search_space, suite as rules
from runner.tools.tuning import candidates, draws, search, tune
from runner.tools.tuning.candidates import Curve
from submissions.submission import from_optax
from tests.benchmarks import tuning
from tests.support import suites

SUITE = rules.load('mini')
SHORT = rules.load('mini_tuning')  # It has ranges of its own.
ROW = dataclasses.replace(
  SUITE.workloads['criteo1tb/mini'], target=0.5, steps=100, start=None
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
  assert candidates.cost(ROW, Curve([0, 40, 80], [0.9, 0.5, 0.6])) == 0.4


def test_a_miss_costs_more_than_any_hit_and_more_the_farther_it_is():
  near = candidates.cost(ROW, Curve([0, 100], [0.9, 0.55]))
  far = candidates.cost(ROW, Curve([0, 100], [0.9, 0.8]))
  assert near == pytest.approx(2 * 1.1)
  assert far == pytest.approx(2 * 1.6)
  assert candidates.cost(ROW, Curve([100], [float('nan')])) == 4.0
  assert candidates.cost(ROW, Curve([], [])) == 4.0
  assert candidates.cost(ROW, Curve([0], [50.0])) == 4.0  # However far.


def test_higher_can_be_better():
  row = dataclasses.replace(ROW, better='higher')
  assert candidates.cost(row, Curve([50], [0.6])) == 0.5
  assert candidates.cost(row, Curve([50], [0.4])) == pytest.approx(2 * 1.2)


def test_a_miss_is_measured_on_the_way_back_to_where_training_begins():
  row = dataclasses.replace(ROW, start=0.9)
  half = candidates.cost(row, Curve([0, 100], [0.9, 0.7]))
  assert half == pytest.approx(2 * 1.5)
  ppl = dataclasses.replace(row, metric='ppl', target=10.0, start=1000.0)
  assert candidates.cost(ppl, Curve([9], [100.0])) == pytest.approx(2 * 1.5)


def test_the_cost_of_a_ladder_is_the_mean_over_its_targets():
  suite = dataclasses.replace(SUITE, ladder=(0.0, 0.5))
  row = dataclasses.replace(ROW, start=0.9)  # Targets: 0.5 and 0.7.
  found = candidates.ladder_cost(
    suite, row, Curve([0, 30, 60], [0.9, 0.7, 0.6])
  )
  assert found == pytest.approx((2 * 1.25 + 0.3) / 2)
  alone = candidates.ladder_cost(suite, ROW, Curve([50], [0.5]))
  assert alone == 0.5  # Without a start there is one target.


def test_of_a_short_list_the_rest_is_drawn_from_its_box(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(MINE)
  entry = submissions.find(str(path))
  first, second, *more = draws.first(SUITE, entry, 4)
  assert [first, second] == [{'rate': 1e-9}, {'rate': 0.01}]
  assert len(more) == 3
  assert all(1e-9 <= one['rate'] <= 0.01 for one in more)


def test_a_list_of_points_for_long_runs_gives_its_box_alone():
  entry = submissions.find('schedule_free')
  first, *drawn = draws.first(SHORT, entry, 4)
  assert first == entry.self_point and len(drawn) == 4
  assert not any(one in entry.space for one in drawn)
  assert {one['label_smoothing'] for one in drawn} <= {0.0, 0.05, 0.1}
  rates = [one['learning_rate'] for one in (*entry.space, first)]
  assert all(min(rates) <= one['learning_rate'] <= max(rates) for one in drawn)
  assert draws.first(SUITE, entry, 4)[1:] == entry.space[:4]


def test_draws_are_from_all_of_the_space_and_keep_what_it_does_not_name(
  tmp_path,
):
  path, build = tmp_path / 'mine.py', 'def build(task, *, rate, **options): 1\n'
  wide = "SPACE = {'rate': {'min': 1e-8, 'max': 1.0, 'scaling': 'log'}}\n"
  path.write_text(build + wide + "SELF = {'rate': 0.01, 'grad_clip': 0.3}\n")
  first, *drawn = draws.first(SUITE, submissions.find(str(path)), 8)
  assert first == {'rate': 0.01, 'grad_clip': 0.3}
  assert min(one['rate'] for one in drawn) < 1e-5
  assert all(one['grad_clip'] == 0.3 for one in drawn)
  assert all(one['rate'] == float(f'{one["rate"]:.3g}') for one in drawn)
  path.write_text(build + wide)
  alone = draws.first(SUITE, submissions.find(str(path)), 8)
  assert alone == [{'rate': one['rate']} for one in drawn]


@pytest.mark.parametrize('name', submissions.names())
def test_every_submission_has_as_many_points_to_try(name):
  entry = submissions.find(name)
  for suite in (SUITE, SHORT):
    found = draws.first(suite, entry, 4)
    assert len(found) == 5 and found[0] == entry.self_point
    own = set(entry.self_point) - set(draws.OPTIONS)
    assert own <= set(found[1])
    more = draws.near(suite, entry, found, 4)
    assert len(more) == 4 and not any(one in found for one in more)
    for one in [*found, *more]:
      submissions.check_point(entry, one, 'A point')


def test_the_box_of_points():
  points = [
    {'rate': 0.1, 'decay': 0.0, 'kind': 'linear', 'every': 5, 'same': 0.5},
    {'rate': 0.4, 'decay': 0.2, 'kind': 'cosine', 'every': 5, 'same': 0.5},
  ]
  assert search_space.box(points) == {
    'rate': {'min': 0.1, 'max': 0.4, 'scaling': 'log'},
    'decay': {'min': 0.0, 'max': 0.2, 'scaling': 'linear'},
    'kind': {'feasible_points': ['linear', 'cosine']},
    'every': {'feasible_points': [5]},
    'same': {'feasible_points': [0.5]},
  }


def test_a_near_point_is_a_step_away_in_every_number(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(
    'def build(task, *, rate, momentum, kind, nested, every): 1\n'
    "SELF = {'rate': 0.4, 'momentum': 0.0, 'kind': 'b', 'nested': True,"
    " 'every': 7}\n"
    "SPACE = {'rate': {'min': 1e-4, 'max': 1.0, 'scaling': 'log'},"
    " 'momentum': {'min': 0.0, 'max': 0.8, 'scaling': 'linear'},"
    " 'kind': {'feasible_points': ['a', 'b']},"
    " 'nested': {'feasible_points': [False, True]},"
    " 'every': {'feasible_points': [20, 1, 5, 10]}}\n"
  )
  entry = submissions.find(str(path))
  found = draws.near(SUITE, entry, [entry.self_point], 100)
  assert len(found) == 100
  assert all(0.2 <= one['rate'] <= 0.8 for one in found)
  assert {0.2, 0.8} < {round(one['rate'], 1) for one in found}
  assert all(0.0 <= one['momentum'] <= 0.2 for one in found)
  assert {one['kind'] for one in found} == {'b'}
  assert {one['nested'] for one in found} == {True}
  assert {one['every'] for one in found} == {5, 7, 10}


@pytest.mark.parametrize(
  'space',
  [
    "[{'rate': 0.1}, {'other': 0.1}]",
    '[0.1]',
    '[]',
    "{'rate': {'min': 1.0}}",
    "{'rate': 0.1}",
  ],
)
@pytest.mark.parametrize('own', ["SELF = {'rate': 0.4}\n", ''])
def test_a_malformed_space_is_named(tmp_path, own, space):
  path = tmp_path / 'mine.py'
  path.write_text(f'def build(task, *, rate): 1\n{own}SPACE = {space}\n')
  with pytest.raises(search_space.SpaceError, match=r'mine.py: SPACE: '):
    draws.first(SHORT, submissions.find(str(path)), 4)


def test_ranges_of_the_suite_replace_those_of_the_submission(tmp_path):
  path = tmp_path / 'mine.py'
  space = (
    "SELF = {'rate': 0.4, 'beta2': 0.9}\n"
    "SPACE = {'rate': {'min': 0.1, 'max': 1.0, 'scaling': 'log'},"
    " 'beta2': {'feasible_points': [0.9999]}}\n"
  )

  def names(signature):
    path.write_text(f'def build(task, *, {signature}): 1\n' + space)
    return draws.space(SHORT, submissions.find(str(path)))

  assert names('rate, beta2') == {
    'rate': {'min': 0.1, 'max': 1.0, 'scaling': 'log'},
    'beta2': SHORT.tuning.ranges['beta2'],
  }
  assert set(names('rate, beta2, grad_clip=None')) == {
    'rate', 'beta2', 'grad_clip'
  }  # fmt: skip
  # A build with **options takes those of from_optax, and no others.
  assert set(names('rate, beta2, **options')) == {
    'rate', 'beta2', *draws.OPTIONS
  }  # fmt: skip
  assert set(draws.OPTIONS) <= set(inspect.signature(from_optax).parameters)


@pytest.mark.parametrize(
  ('name', 'spec'),
  [
    ('beta2', {'feasible_points': []}),
    ('rate', {'min': 0.1, 'max': 1.0}),
    ('rate', {'min': 0.0, 'max': 1.0, 'scaling': 'log'}),
    ('rate', 0.1),
  ],
)
def test_a_bad_range_of_a_suite_is_refused(name, spec):
  table = rules.dump(SHORT) | {'tuning': {'ranges': {name: spec}}}
  with pytest.raises(rules.SuiteError, match=rf'x: \[tuning\] ranges.{name}'):
    rules.parse(table, name='x', where='x')


@pytest.mark.parametrize(
  ('rungs', 'said'),
  [
    ([['ogbg/mini']], 'must name each workload of the suite once'),
    ([[*SUITE.workloads], ['ogbg/mini']], 'must name each workload'),
    (['ogbg/mini'], "'ogbg/mini' must be a list of workloads"),
  ],
)
def test_bad_rungs_of_a_suite_are_refused(rungs, said):
  table = rules.dump(SHORT) | {'tuning': {'rungs': rungs}}
  with pytest.raises(rules.SuiteError, match=said):
    rules.parse(table, name='x', where='x')


def test_a_suite_with_rules_of_tuning_is_read_back_as_it_was():
  assert rules.parse(rules.dump(SHORT), name='mini_tuning', where='x') == SHORT
  assert SHORT.tuning.ranges and not SUITE.tuning.ranges
  assert 'tuning' not in rules.dump(SUITE)


def test_workloads_race_in_the_order_of_the_suite():
  names = list(SUITE.workloads)
  assert SUITE.tuning.parts(names) == [names[0::3], names[1::3], names[2::3]]
  assert SUITE.tuning.parts(names[:2]) == [[names[0]], [names[1]]]
  parts = SHORT.tuning.parts(names)
  assert parts[0] == [
    'fastmri/mini',
    'librispeech_deepspeech/mini',
    'ogbg/mini',
  ]
  assert sorted(name for part in parts for name in part) == sorted(names)
  assert SHORT.tuning.parts(['wmt/mini', 'ogbg/mini']) == [
    ['ogbg/mini'], ['wmt/mini']
  ]  # fmt: skip


def test_the_better_half_goes_on_and_the_last_two_have_three_seeds():
  """Point 1, the one before, continues to the end, though others are better."""
  names, asked, best = list(SUITE.workloads), [], []

  def near(known):
    best.append(known[0])
    return [{'rate': n} for n in range(6, 10)]

  def race(field, names, study):
    asked.append((len(field), len(names), study))
    good = {8: 0.2, 5: 0.3, 1: 0.9}
    return {
      (name, one.number): Curve(
        [100 * good.get(one.number, 0.5)], [SUITE.workloads[name].target]
      )
      for name in names
      for one in field
    }

  points = [{'rate': n} for n in range(1, 6)]
  found = search.run(SUITE, points, near=near, race=race, before={'rate': 1})
  third = len(names) // 3
  assert asked == [
    (5, third, 0), (4, third, 0), (4, third, 0),
    (2, third, 0), (2, third, 1), (2, third, 2),
  ]  # fmt: skip
  assert best == [{'rate': 5}]
  assert [one.number for one in found[:2]] == [8, 1]
  assert [one.trials for one in found] == [15, 15, 6, 6, 3, 3, 3, 3, 3]
  found = search.run(SUITE, points, near=near, race=race, before=None)
  assert [one.number for one in found[:2]] == [8, 5]
  assert found[0].reached == 15 and found[0].mean < found[1].mean


def test_without_a_target_half_of_the_points_reach_one_from_the_search():
  values = [[0.9, 0.5], [0.8, 0.3], [0.4, float('nan')], [float('inf')], []]
  curves = [Curve([0, 50][: len(v)], v) for v in values]
  row = dataclasses.replace(ROW, target=None)
  found = candidates.aimed(row, curves)
  assert found.target == 0.4
  assert candidates.aimed(row, curves[:2]).target == 0.3  # One reaches it.
  assert candidates.aimed(ROW, curves) is ROW
  assert candidates.aimed(row, curves[3:]) is row  # Nobody has a value.
  higher = dataclasses.replace(row, better='higher')
  assert candidates.aimed(higher, curves[:3]).target == 0.8
  assert candidates.aimed(higher, curves[1:3]).target == 0.8


def test_a_suite_without_targets_says_how_it_is_judged():
  rows = {'digits': dataclasses.replace(ROW, workload='digits', target=None)}
  told = tune.warning(dataclasses.replace(SUITE, workloads=rows), 'my.toml')
  assert 'no targets on criteo1tb/mini' not in told
  assert 'digits' in told and 'median' in told
  assert 'set-targets --suite=my.toml' in told
  assert not tune.warning(SUITE, 'mini')


def test_the_better_point_wins_and_a_second_run_does_nothing_again(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(search, 'SEEDS', 2)  # Each trial takes seconds.
  path, suite = tmp_path / 'mine.py', tmp_path / 'tiny.toml'
  path.write_text(MINE)
  suite.write_text(TINY)
  loaded = rules.load(str(suite))
  out = tmp_path / 'tuning'

  def run():
    machine = hardware.describe()
    return tune.tune(
      loaded,
      submissions.find(str(path)),
      draws=1,
      machine=machine,
      out=out,
      options=TrialOptions(),
    )

  best, *rest = run()
  assert best.point == {'rate': 0.01}
  assert best.reached == best.trials == 2 and best.mean <= 1
  assert [(one.reached, one.trials) for one in rest] == [(0, 2)]
  attempts = sorted(pathlib.Path(out).rglob('attempts.jsonl'))
  before = [path.read_text() for path in attempts]
  assert len(attempts) == 4
  assert run()[0] == best
  assert [path.read_text() for path in attempts] == before
  shown = tune.text('mine', [best, *rest], loaded)
  assert "SELF = {'rate': 0.01}" in shown
  stored = [json.loads(path.read_text()) for path in out.rglob('trial.json')]
  assert stored[0]['budget']['steps'] == 60  # By steps, not by seconds.
  seeds = {one['seed'] for one in stored}
  assert seeds == {tune.seed(loaded, 'digits', n) for n in range(2)}
  record = tunings.read(out / 'mine')
  assert record.points[0].point == {'rate': 0.01} and not record.kept
  assert record.trials == 4 and record.first == {'rate': 1e-9}
  # Once its best point is SELF, there is nothing to do.
  assert not tune.adopted(out, submissions.find(str(path)))
  path.write_text(
    MINE.replace("SELF = {'rate': 1e-9}", "SELF = {'rate': 0.01}")
  )
  assert tune.adopted(out, submissions.find(str(path)))
  assert not tune.adopted(tmp_path / 'other', submissions.find(str(path)))
  for text in ('{', '[]', '{"points": []}', '{"points": [{"number": 1}]}'):
    (out / 'mine' / tunings.NAME).write_text(text)
    with pytest.raises(ValueError, match=r'tuning.json is damaged .* Remove'):
      tune.adopted(out, submissions.find(str(path)))
  assert [one.trials for one in record.points] == [2, 2]
  assert 0 < record.budgets <= 4 * 1.1 and record.hours > 0


def test_points_that_did_not_run_are_not_taken_for_bad_ones(
  tmp_path, monkeypatch
):
  """A machine that failed had let the other points win."""
  path, suite = tmp_path / 'mine.py', tmp_path / 'tiny.toml'
  path.write_text(MINE)
  suite.write_text(TINY)
  monkeypatch.setattr(race_of_trials, 'run', lambda out, plan, *_, **__: plan)
  with pytest.raises(jobs.UnfinishedError, match=r'2 of 2 trials .* Repeat'):
    tune.tune(
      rules.load(str(suite)),
      submissions.find(str(path)),
      draws=1,
      machine=hardware.describe(),
      out=tmp_path / 'tuning',
      options=TrialOptions(),
    )
  assert not list(tmp_path.rglob(tunings.NAME))


def test_without_targets_the_first_seed_of_the_search_sets_them():
  """Other seeds of a point have the same target as its first one."""
  [name] = list(SUITE.workloads)[:1]
  row = dataclasses.replace(
    SUITE.workloads[name], target=None, start=None, steps=100
  )
  bare = dataclasses.replace(SUITE, workloads={name: row})

  def race(field, names, study):  # Point 1 is better by the first seed only.
    best = {1: 0.3 if not study else 0.35, 2: 0.4}
    return {
      (name, one.number): Curve([0, 50], [0.9, best[one.number]])
      for one in field
    }

  first, second = search.run(
    bare,
    [{'rate': 1}, {'rate': 2}],
    near=lambda _: [],
    race=race,
    before=None,
  )
  assert (first.number, first.reached, first.trials) == (1, 1, 3)
  assert second.reached == 0  # 0.3 is the target: the lower middle of both.
  assert first.costs[name] == [0.5, *[pytest.approx(2 * (1 + 1 / 6))] * 2]


def test_points_are_chosen_by_no_seed_that_a_race_has():
  """Else a board shows the luck of the points that luck has chosen."""
  raced = {
    plan_file.seed(SUITE.seed, name, study, number)
    for name in SUITE.workloads
    for study in range(5)
    for number in range(1, 11)
  }
  assert not raced & {
    tune.seed(SUITE, name, n) for name in SUITE.workloads for n in range(9)
  }


def test_the_table_of_tunings_says_what_was_drawn_and_what_changed(tmp_path):
  def made(name, first, *points):
    return tunings.Tuning(
      submission=name, suite='mini_tuning', first=first, trials=30,
      budgets=20.04, hours=0.5,
      points=tuple(
        tunings.Point(
          number=n, point=point, cost=cost, reached=2,
          costs={'ogbg/mini': [cost] * 3},
        )
        for n, (point, cost) in enumerate(points, start=1)
      ),
    )  # fmt: skip

  old, new = {'learning_rate': 0.1, 'beta': 0.9}, {'learning_rate': 0.2}
  known = [
    made('lion', old, (old, 0.5), (new, 0.75)),
    made('sgd', old, (old | new, 0.4), (old, 1.25)),
  ]
  for one in known:
    (tmp_path / one.submission).mkdir()
    tunings.write(tmp_path / one.submission, one)
  stored = [tunings.read(x.parent) for x in tuning.records(tmp_path)]
  assert stored == known
  *_, lion, sgd = tuning.table(stored).splitlines()
  start = '| lion | 2 | 30 | 20.0 | 0.500 | 0.500 | 0.750 '
  assert lion == start + '| 2 of 3 | as it was |'
  start = '| sgd | 2 | 30 | 20.0 | 1.250 | 0.400 | 1.250 '
  assert sgd == start + '| 2 of 3 | learning_rate 0.2 |'
  assert 'learning_rate 2e-05 to 0.002' in tuning.spaces(stored)


KEPT = pathlib.Path(__file__).parents[3] / 'docs/benchmarks/tuning'


@pytest.mark.parametrize('name', [p.parent.name for p in tuning.records(KEPT)])
def test_the_point_of_a_submission_is_the_best_of_its_tuning(name):
  known = tunings.read(KEPT / name)
  entry = submissions.find(name)
  assert entry.self_point == known.points[0].point
  assert (known.suite, known.trials) == ('mini_tuning', 57)
  # SELF before, and eight draws by the rule of today.
  assert len(known.points) == 9
  by_number = sorted(known.points, key=lambda one: one.number)
  before = entry._replace(self_point=known.first)
  drawn = draws.first(SHORT, before, 4)
  assert [one.point for one in by_number[:5]] == drawn


def test_the_table_in_the_docs_is_of_the_records():
  page = KEPT.with_suffix('.md').read_text()
  assert tuning.text(KEPT) in page
