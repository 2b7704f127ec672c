"""Plans: which trials, at which points, under which names."""

import dataclasses
import json

import numpy as np
import pytest

import submissions
from runner import planning, summaries
from runner.protocol import layout, plan_file, results_folder
from runner.protocol.plan import Machine, Source, Speed
from runner.protocol.suites import search_space, suite as rules

SUITE = rules.load('mini')
FACTS = {'name': 'here', 'cpu': 'x', 'cores': 2, 'accelerators': []}
MACHINE = Machine(name='here', facts=FACTS)
SPEEDS = {name: Speed(0.0, 0.01, 2.0) for name in SUITE.workloads}


def make(*names, ruleset='self', suite=SUITE):
  return planning.make(suite, ruleset, names, MACHINE, SPEEDS)


def written(tmp_path, text, name='mine.py'):
  path = tmp_path / name
  path.write_text(text)
  return str(path)


def test_every_cell_has_its_trials():
  made = make('lion', 'nadamw')
  studies = SUITE.rulesets['self'].studies
  assert len(made.trials) == 2 * studies * len(SUITE.workloads)
  assert len({t.id for t in made.trials}) == len(made.trials)
  assert len({t.folder('x') for t in made.trials}) == len(made.trials)


def test_the_same_request_is_the_same_plan():
  assert plan_file.dump(make('lion')) == plan_file.dump(make('lion'))
  assert make('lion').hash != make('adamw').hash


def test_submissions_share_seeds_and_nothing_else_does():
  seeds = {}
  for t in make('lion', 'nadamw', ruleset='external').trials:
    seeds.setdefault((t.workload, t.study, t.trial), set()).add(t.seed)
  assert all(len(s) == 1 for s in seeds.values())
  assert len({s for group in seeds.values() for s in group}) == len(seeds)


def test_budgets_follow_the_measured_speed():
  made = make('lion')
  steps = SUITE.workloads['criteo1tb/mini'].steps
  factor = SUITE.rulesets['self'].budget_factor
  assert made.budgets['criteo1tb/mini'] == pytest.approx(
    factor * (2 + steps * 0.01)
  )


def test_external_trials_draw_fresh_points_for_every_study():
  made = make('nadamw', ruleset='external')
  points = {json.dumps(t.hyperparameters) for t in made.trials}
  external = SUITE.rulesets['external']
  assert len(points) == external.studies * external.trials


def test_a_listed_space_gives_the_same_points_to_every_study(tmp_path):
  path = written(
    tmp_path, 'SPACE = [{"a": 1}, {"a": 2}]\ndef build(task, *, a): ...'
  )
  made = make(path, ruleset='external')
  for study in range(3):
    found = [t.hyperparameters['a'] for t in made.trials
             if (t.study, t.workload) == (study, 'criteo1tb/mini')]  # fmt: skip
    assert found == [1, 2]


def test_points_cover_their_ranges_evenly():
  ranges = {
    'rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
    'decay': {'min': -1.0, 'max': 3.0, 'scaling': 'linear'},
    'kind': {'feasible_points': ['a', 'b']},
  }
  points = search_space.points(ranges, 64, seed=0, where='x')
  logs = np.log10([p['rate'] for p in points])
  assert all(np.histogram(logs, 8, (-4, -2))[0] >= 6)
  decays = [p['decay'] for p in points]
  assert all(np.histogram(decays, 8, (-1, 3))[0] >= 6)
  assert 28 <= sum(p['kind'] == 'a' for p in points) <= 36
  assert points == search_space.points(ranges, 64, seed=0, where='x')
  assert points != search_space.points(ranges, 64, seed=1, where='x')


def test_the_ends_of_a_range_are_its_values():
  """AlgoPerf's mapping: min * exp(h ln(max / min)), min + h (max - min)."""
  log = {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'}
  assert search_space._value(log, 0.0) == 1e-4
  assert search_space._value(log, 0.5) == pytest.approx(1e-3)
  linear = {'min': 1.0, 'max': 3.0, 'scaling': 'linear'}
  assert search_space._value(linear, 0.5) == 2.0
  assert search_space._value({'feasible_points': [1, 2, 3]}, 0.99) == 3


def test_uniform_is_what_forks_of_algoperf_call_linear():
  drawn = [
    search_space.points(
      {'rate': {'min': -1.0, 'max': 3.0, 'scaling': how}}, 9, 0, 'x'
    )
    for how in ('uniform', 'linear')
  ]
  assert drawn[0] == drawn[1]
  wrong = {'rate': {'min': 1.0, 'max': 0.0, 'scaling': 'uniform'}}
  with pytest.raises(search_space.SpaceError, match="x: 'rate'"):
    search_space.points(wrong, 1, 0, 'x')


@pytest.mark.parametrize(
  'spec',
  [
    3,
    {'min': 1, 'max': 2},
    {'min': 2, 'max': 1, 'scaling': 'log'},
    {'min': 0, 'max': 1, 'scaling': 'log'},
    {'min': 0, 'max': 1, 'scaling': 'cubic'},
    {'feasible_points': []},
    {'feasible_points': [1], 'min': 0},
  ],
)
def test_a_wrong_range_is_explained(spec):
  with pytest.raises(ValueError, match="x: 'rate'"):
    search_space.points({'rate': spec}, 2, 0, 'x')


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('def build(task, *, a): ...', 'no SELF'),
    ('SELF = {"a": 1}', 'no function build'),
    (
      'SELF = {"b": 1}\ndef build(task, *, a): ...',
      "'b', which build does not",
    ),
    ('SELF = {}\ndef build(task, *, a): ...', 'lacks a'),
    ('SELF = {"a": f()}\ndef build(task, *, a): ...', 'plain data'),
    ('def build(:', r'not Python: invalid syntax \(mine\.py, line 1\)'),
    (
      'SELF = {"label_smothing": 1}\ndef build(task, **options): ...',
      "Did you mean 'label_smoothing'",
    ),
  ],
)
def test_a_wrong_submission_is_explained_before_it_runs(
  tmp_path, text, message
):
  with pytest.raises(submissions.SubmissionError, match=message):
    make(written(tmp_path, text))


def test_unknown_names_are_explained():
  with pytest.raises(ValueError, match="Did you mean 'nadamw'"):
    make('nadam')
  with pytest.raises(ValueError, match="has no ruleset 'sefl'"):
    make('nadamw', ruleset='sefl')
  odd = dataclasses.replace(
    SUITE,
    workloads={
      'digts': dataclasses.replace(
        SUITE.workloads['criteo1tb/mini'], workload='digts'
      )
    },
  )
  with pytest.raises(ValueError, match="Did you mean 'digits'"):
    make('nadamw', suite=odd)


def test_a_file_may_not_take_the_name_of_a_submission_of_ours(tmp_path):
  path = written(tmp_path, 'def build(task): ...', 'lion.py')
  with pytest.raises(ValueError, match='Rename the path'):
    make(path)


def test_budgets_are_unknown_where_nothing_was_measured():
  made = planning.make(SUITE, 'self', ['lion'], MACHINE, {})
  assert made.budgets == {}
  assert made.hours is None
  assert 'for their hours: timetrial calibrate' in summaries.of_plan(
    made, price=2.0
  )


def test_hours_cost_what_an_hour_costs():
  speeds = dict.fromkeys(SUITE.workloads, Speed(0.0, 0.0))
  hour = {n: Speed(0.0, 0.0, 3600.0) for n in list(SUITE.workloads)[:1]}
  made = planning.make(SUITE, 'self', ['lion'], MACHINE, speeds | hour)
  own = SUITE.rulesets['self']
  count = own.studies * own.trials
  assert made.hours == pytest.approx(count * own.budget_factor)
  text = summaries.of_plan(made, price=2.5)
  assert f'{2.5 * made.hours:.2f} at 2.5 an hour.' in text
  assert 'an hour' not in summaries.of_plan(made)


@pytest.mark.parametrize(
  'plan',
  ['[]', '{}', '{"trials": 3}', '{"suite": "mini", "rules": {}, "seconds": {}'],
)
def test_a_damaged_plan_in_a_results_folder_is_explained(tmp_path, plan):
  """`runner status` once ended with a traceback on it."""
  (tmp_path / layout.PLAN).write_text(plan)
  with pytest.raises(results_folder.ResultsError, match='is damaged'):
    results_folder.stored(tmp_path)


def test_a_source_of_timetrial_is_found_from_any_folder(tmp_path, monkeypatch):
  """Committed results named the folder of the machine that raced them."""
  monkeypatch.chdir(tmp_path)
  ours = Source.at(submissions.find('lion').path, 'x')
  assert ours.path == 'submissions/algorithms/lion.py'
  assert ours.file == submissions.find('lion').path
  theirs = Source.at(tmp_path / 'mine.py', 'x')
  assert theirs.path == str(tmp_path / 'mine.py') == str(theirs.file)
