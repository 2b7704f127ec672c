"""A metric has a range: what is outside of it is damage, and no result.

An error rate of -1, a similarity of 7 and digits of other scripts met targets.
"""

import json
import math

import pytest

from runner.protocol import layout
from runner.protocol.suites import metrics, suite as rules, suite_files
from scoring import verify
from scoring.load import results as read
from scoring.rank import board
from tests.scoring.load import test_verify
from tests.support import made_results

SUITES = sorted(p.stem for p in suite_files.CONFIGS.glob('*/*.toml'))
ROWS = {
  row.metric: (name, row)
  for name in ('algoperf_v05', 'algoperf_a100', 'mini')
  for row in rules.load(name).workloads.values()
}


@pytest.mark.parametrize('name', SUITES)
def test_every_metric_of_a_suite_has_a_range(name):
  try:
    suite = rules.load(name)
  except rules.SuiteError:
    pytest.skip('No suite, but a measured machine.')
  for row in (suite.workloads | suite.unscored).values():
    assert row.metric in metrics.RANGES


def foreign(out, row, values):
  """AlgoPerf's log of one trial on one workload, with these texts as values."""
  name = f'{row.workload.replace("/", "_")}_jax'
  place = out / 'theirs' / 'study_0' / name / 'trial_1'
  place.mkdir(parents=True)
  lines = [f'accumulated_submission_time,global_step,score,{row.column}']
  lines += [f'{n}.5,{n}0,{n}.5,{v}' for n, v in enumerate(values, start=1)]
  (place / layout.EVALS).write_text('\n'.join(lines) + '\n')


def trial(out, metric):
  suite, row = ROWS[metric]
  found = read.read(out, suite).trials
  return next(t for t in found if t.key.workload == row.workload)


@pytest.mark.parametrize('metric', ROWS)
def test_a_value_outside_of_its_range_is_damage(tmp_path, metric):
  row = ROWS[metric][1]
  low, high = metrics.bounds(metric)
  for n, beyond in enumerate([low - 1, low - 0.01, high + 0.01, high + 6]):
    if math.isfinite(beyond):
      out = tmp_path / str(n)
      foreign(out, row, [repr(beyond), repr(row.target)])
      found = trial(out, metric)
      assert found.open and found.state == 'unclear'
      assert f'{row.column} = {beyond:g}, but {metric} is' in found.reason
  for n, end in enumerate([low, high, row.target]):
    if math.isfinite(end):
      out = tmp_path / f'end_{n}'
      foreign(out, row, [repr(end)])
      assert not trial(out, metric).open


@pytest.mark.parametrize('text', ['٠.٠٠١', '０.００１', '0.०१', '−1', '0.1½'])
@pytest.mark.parametrize('place', range(3))
def test_digits_of_other_scripts_are_no_numbers(tmp_path, text, place):
  row = ROWS['error_rate'][1]
  foreign(tmp_path, row, ['0.5', '0.4'])
  [path] = tmp_path.glob('*/*/*/*/*.csv')
  fields = path.read_text().splitlines()[-1].split(',')
  fields[(0, 1, 3)[place]] = text
  lines = path.read_text().splitlines()
  path.write_text('\n'.join([*lines[:-1], ','.join(fields)]) + '\n')
  found = trial(tmp_path, 'error_rate')
  assert found.open and 'has non-ASCII characters' in found.reason


@pytest.mark.parametrize('step', ['-10', '12.5'])
def test_steps_are_counted(tmp_path, step):
  row = ROWS['error_rate'][1]
  foreign(tmp_path, row, ['0.5'])
  [path] = tmp_path.glob('*/*/*/*/*.csv')
  path.write_text(path.read_text().replace(',10,', f',{step},'))
  found = trial(tmp_path, 'error_rate')
  assert found.open and 'is not a number of steps' in found.reason


def test_folders_are_numbered_in_ascii_and_once(tmp_path):
  """A folder study_٣ was the fourth study, and one called ² a traceback."""
  row = ROWS['error_rate'][1]
  foreign(tmp_path, row, ['0.5'])
  study = tmp_path / 'theirs' / 'study_0'
  for name in ('study_٣', 'study_²', 'study_00', '²'):
    target = study.with_name(name)
    target.mkdir()
    (target / 'digits_jax').mkdir()
  results = read.read(tmp_path, 'mini')
  assert {t.key.study for t in results.trials} == {0}
  told = {p.path for p in results.problems}
  assert told >= {f'theirs/{n}' for n in ('study_٣', 'study_²', '²')}
  name = next(study.iterdir()).name
  (study.with_name('study_00') / name / 'trial_1').mkdir(parents=True)
  told = {p.path: p.reason for p in read.read(tmp_path, 'mini').problems}
  assert any('The same study and trial as' in text for text in told.values())


@pytest.mark.parametrize('column', ['validation/loss', 'test/loss'])
@pytest.mark.parametrize('value', ['-1.0', '٠.٥'])
def test_verify_doubts_them_in_every_column(tmp_path, column, value):
  """Metrics that score nothing are as impossible, and say something."""
  out = test_verify.left_behind(tmp_path / 'results', ['lion'], studies=1)
  [path] = out.glob('lion/*/*/*/eval_measurements.csv')
  header, *lines = path.read_text().splitlines()
  fields = lines[-1].split(',')
  fields[header.split(',').index(column)] = value
  path.write_text('\n'.join([header, *lines[:-1], ','.join(fields)]) + '\n')
  doubts = [f.text for f in verify.verify(read.read(out)) if f.doubt]
  assert any(f'{column} = ' in text for text in doubts), doubts


@pytest.mark.parametrize('key', ['target', 'test_target'])
def test_a_target_that_nothing_can_meet_is_refused(key):
  table = rules.dump(rules.load('algoperf_v05'))
  table['workloads']['fastmri'][key] = 7
  with pytest.raises(rules.SuiteError, match='ssim is between -1 and 1'):
    rules.parse(table, name='x', where='x.toml')


def test_a_metric_of_somebody_elses_has_no_range():
  assert metrics.possible('reward', -1e9)


def test_an_impossible_hit_gives_no_score(tmp_path):
  [one] = made_results.write_plan(tmp_path, [('x', 'digits', 0, 1)])
  made_results.write_trial(
    tmp_path, one, [(1.0, 0.5), (2.0, -1.0)], 'reached', metric='error_rate'
  )
  [standing] = board.make(read.read(tmp_path)).standings
  assert (standing.rank, standing.score) == (None, 0.0)
  assert json.dumps(standing.cells['digits'].open)
