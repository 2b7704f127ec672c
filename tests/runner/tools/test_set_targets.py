"""Targets are set so that what set them meets them."""

import dataclasses
import datetime
import tomllib

import pytest

import submissions
from runner import planning
from runner.executors import jobs, race
from runner.launch.attempt import TrialOptions
from runner.protocol.plan import Machine
from runner.protocol.suites import suite as rules, suite_files
from runner.protocol.suites.suite_files import Target
from runner.tools import set_targets

SUITE = rules.load('mini')
MACHINE = Machine(name='here', facts={'name': 'here'})
HALF = Target(
  target=0.5, submission='lion', point={}, values=[0.5], tuned={'lion': 0.5}
)


@pytest.mark.parametrize('lower', [True, False])
@pytest.mark.parametrize(
  'value', [7 / 300, 0.471466, 18.7436, 1e-5, 0.0, 123456]
)
def test_rounding_never_makes_a_target_stricter(value, lower):
  """7 errors in 300 once became a target of 0.02333, which 7 errors miss."""
  rounded = set_targets.lenient(value, lower)
  assert rounded >= value if lower else rounded <= value
  assert rounded == pytest.approx(value, rel=1e-3)


def made(submission, point):
  entry = submissions.find(submission)
  return planning.trial(
    SUITE, entry, 'criteo1tb/mini', study=0, number=1, point=point
  )


def test_nothing_that_is_raced_has_set_a_target():
  """AdamW once raced two points, seeds and all, that had set its targets."""
  raced = planning.make(SUITE, 'external', ['adamw'], MACHINE, {})
  apart = set_targets.apart(SUITE)
  tried = set_targets._plan(apart, ['adamw'], MACHINE, studies=1, trials=10)
  for what in ('seed', 'hyperparameters'):
    both = [{str(getattr(t, what)) for t in x.trials} for x in (raced, tried)]
    assert not both[0] & both[1]


def test_a_search_goes_on_after_its_starts_were_written():
  """The command refused its own plan: it had written `start` meanwhile."""
  began = dataclasses.replace(
    SUITE,
    workloads={
      name: dataclasses.replace(row, start=0.5)
      for name, row in SUITE.workloads.items()
    },
  )
  plans = [
    set_targets._plan(suite, ['adamw'], MACHINE, studies=1, trials=2)
    for suite in (SUITE, began)
  ]
  assert plans[0].hash == plans[1].hash
  assert plans[0].suite == plans[1].suite


def test_a_search_without_some_of_its_trials_sets_no_target(
  tmp_path, monkeypatch
):
  """Trials that could not begin were left out, and the rest set the target."""
  plan = set_targets._plan(SUITE, ['adamw'], MACHINE, studies=1, trials=2)
  monkeypatch.setattr(race, 'run', lambda *_, **__: plan)
  for count in (1, 2):
    with pytest.raises(jobs.UnfinishedError, match='did not run, such as'):
      set_targets._run(plan, tmp_path, TrialOptions(), count)


def test_a_target_is_the_median_of_the_best_values_of_the_repeats():
  row = SUITE.workloads['criteo1tb/mini']
  search = [
    (made('lion', {'a': 1}), [0.5, 0.2, 0.3]),
    (made('lion', {'a': 2}), [0.5, 0.4]),
    (made('adamw', {'b': 1}), [0.9, 0.25]),
  ]
  best = set_targets._best(search, row)
  assert best.trial.hyperparameters == {'a': 1} and best.value == 0.2
  repeats = [(best.trial, [0.6, v]) for v in (0.3, 0.1, 0.2)]
  found = set_targets._target(row, best, search, repeats, 3)
  assert found.target == 0.2
  assert found.values == [0.3, 0.1, 0.2]
  assert found.tuned == {'lion': 0.2, 'adamw': 0.25}


def test_too_few_repeats_set_no_target():
  row = SUITE.workloads['criteo1tb/mini']
  search = [(made('lion', {'a': 1}), [0.2])]
  best = set_targets._best(search, row)
  with pytest.raises(set_targets.TargetsError, match='Only 1 of 3'):
    set_targets._target(row, best, search, search, 3)


def test_targets_are_written_beside_what_the_file_says_already(tmp_path):
  path = tmp_path / 'suite.toml'
  path.write_text(
    '# A comment.\n[workloads."a/b"]\nsteps = 3 # Few.\ntarget = 9.0\n'
  )
  set_targets.write(path, {'a/b': HALF}, 'a command')
  text = path.read_text()
  assert text.startswith('# A comment.') and '# Few.' in text
  row = tomllib.loads(text)['workloads']['a/b']
  assert row['target'] == 0.5 and row['steps'] == 3
  assert row['origin']['command'] == 'a command'
  assert row['origin']['submission'] == 'lion'
  assert isinstance(row['origin']['date'], datetime.date)


def test_targets_are_set_where_the_rows_are():
  suite = rules.load('mini_variants')
  with pytest.raises(rules.SuiteError, match='the suite that it extends'):
    set_targets.check(suite_files.find('mini_variants'), suite)
  set_targets.check(suite_files.find('mini'), SUITE)


def test_a_row_is_found_under_the_name_that_algoperf_gives_it(tmp_path):
  path = tmp_path / 'suite.toml'
  path.write_text('[workloads.criteo1tb_layernorm]\nsteps = 3\n')
  set_targets.write(path, {'criteo1tb/layernorm': HALF}, 'a command')
  table = tomllib.loads(path.read_text())
  assert table['workloads']['criteo1tb_layernorm']['target'] == 0.5
