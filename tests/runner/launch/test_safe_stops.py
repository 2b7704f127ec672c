"""Races in which forecasts stop trials, and what `verify` says of that."""

import dataclasses
import json
import math
import subprocess
import sys

import pytest

from runner.protocol import layout, plan_file, results_folder
from runner.protocol.plan import TrialKey
from scoring import hopeless_audit
from scoring.load import results as read
from submissions.algorithms import nadamw
from tests.support import races

pytestmark = pytest.mark.apart
SLOW = '''"""A rate that is too small for every target."""
import time
from submissions.algorithms import nadamw
def build(task, **point):
  inner = nadamw.build(task, **point)
  def train(start):
    for state in inner.train(start):
      time.sleep(0.03)
      yield state
  return inner._replace(train=train)
SELF = {point}
'''


def drawn(name):
  return plan_file.audited(1, TrialKey(name, 'digits', 0, 1))


AUDITED = next(name for n in range(99) if drawn(name := f'audited{n}'))
STOPPED = next(name for n in range(99) if not drawn(name := f'stopped{n}'))


@pytest.fixture(scope='module')
def out(tmp_path_factory):
  """The results of a race of two trials that have no chance."""
  home = tmp_path_factory.mktemp('safe')
  paths = []
  for n, name in enumerate((AUDITED, STOPPED), start=1):
    races.share_compiled(name)
    point = nadamw.SELF | {'learning_rate': 1e-5 * n}
    path = home / f'{name}.py'
    path.write_text(SLOW.replace('{point}', repr(point)))
    paths.append(str(path))
  place = home / 'out'
  done = races.run(
    home,
    'run',
    '--stop=safe',
    '--untimed',
    submissions=','.join(paths),
    suite=races.suite(home, target=0.05, steps=300, evaluations=20),
    out=place,
  )
  assert done.returncode == 0, done.stdout + done.stderr
  return place


def folder(out, name):
  return layout.folder(out, name, 'digits', 0, 1)


def test_a_trial_without_a_chance_is_stopped_and_another_one_audited(out):
  assert results_folder.planned(out).stop == 'safe'
  stopped = layout.status(folder(out, STOPPED))
  assert stopped.outcome == 'hopeless'
  assert 'forecast chance to reach 0.05' in stopped.reason
  audited = layout.status(folder(out, AUDITED))
  assert audited.outcome == 'ended'
  assert (stopped.hopeless.audited, audited.hopeless.audited) == (False, True)
  for one in (stopped.hopeless, audited.hopeless):
    assert 150 <= one.step < 300 and max(one.chances) < 0.01
  assert len(stopped.hopeless.known) == 1 and not audited.hopeless.known
  assert (folder(out, STOPPED) / layout.SCHEDULE).exists()
  results = read.read(out)
  assert not any(trial.open for trial in results.trials)
  [last] = [trial for trial in results.trials if trial.state == 'hopeless']
  assert last.evals.steps[-1] < 300


def test_a_board_says_how_often_such_stops_are_false(out):
  [said] = [r for r in read.read(out).remarks if 'by a forecast' in r]
  assert said.startswith('1 trials were stopped by a forecast')
  assert 'Of 1 such trials that ran to their ends' in said
  assert '0 reached a target later: 90% interval' in said
  assert '0.0% to 95.0%' in said


def told(results):
  return [text for _, doubt, text in hopeless_audit.checked(results) if doubt]


def changed(results, name, **facts):
  """Return results with another record of a forecast."""
  trials = [
    trial._replace(hopeless=dataclasses.replace(trial.hopeless, **facts))
    if trial.key.submission == name
    else trial
    for trial in results.trials
  ]
  return dataclasses.replace(results, trials=trials)


def test_verify_computes_the_forecast_again(out):
  results = read.read(out)
  assert told(results) == []
  step = changed(results, STOPPED, step=17)
  assert 'called hopeless at step 17; from the records' in told(step)[0]
  chances = changed(results, STOPPED, chances=(0.0, 0.009))
  assert 'computed again, they are' in told(chances)[0]
  gone = changed(results, STOPPED, known=('0123456789ab',))
  assert '1 of the trials that its forecast knew are gone' in told(gone)[0]
  [own] = [t.id for t in results.plan.trials if t.submission == STOPPED]
  same = changed(results, STOPPED, known=(own,))
  assert 'which is of the same submission' in told(same)[0]


def test_verify_knows_the_policy_and_the_draw(out):
  results = read.read(out)
  plan = dataclasses.replace(results.plan, stop='')
  unsafe = told(dataclasses.replace(results, plan=plan))
  assert len(unsafe) == 2 and 'without --stop=safe' in unsafe[0]
  claimed = changed(results, STOPPED, audited=True)
  assert told(claimed) == [
    'It ran to its end as if drawn for the audit, and was not.'
  ]
  trials = [
    trial._replace(state='hopeless')
    if trial.key.submission == AUDITED
    else trial
    for trial in results.trials
  ]
  kept = told(dataclasses.replace(results, trials=trials))
  assert kept == [
    'It was stopped, but was drawn to run to its end, for the audit.'
  ]


def test_verify_finds_nothing_else_in_such_a_folder(out):
  words = [sys.executable, '-m', 'scoring', 'verify', str(out), '--json']
  done = subprocess.run(
    words, cwd=races.ROOT, capture_output=True, text=True, check=False
  )
  doubts = [one for one in json.loads(done.stdout) if one['doubt']]
  assert doubts == []


def test_an_easier_target_opens_the_cell(out, tmp_path):
  """Nothing was forecast about it."""
  results = read.read(out, relax=0.5)
  states = {trial.key.submission: trial.state for trial in results.trials}
  assert states == {AUDITED: 'ended', STOPPED: 'unclear'}
  assert math.isclose(results.rules.workloads['digits'].target, 0.075)


def test_the_draw_is_one_in_ten_and_fixed():
  keys = [
    TrialKey(f's{n}', 'digits', study, trial)
    for n in range(100)
    for study in range(5)
    for trial in range(1, 5)
  ]
  found = [plan_file.audited(0, key) for key in keys]
  assert 0.08 < sum(found) / len(found) < 0.12
  assert found == [plan_file.audited(0, key) for key in keys]
  assert found != [plan_file.audited(1, key) for key in keys]


def test_status_has_the_chance_of_a_running_trial(tmp_path):
  """The race has no stops: forecasts are shown all the same."""
  races.share_compiled('mine')
  path = tmp_path / 'mine.py'
  point = nadamw.SELF | {'learning_rate': 1e-5}
  path.write_text(SLOW.replace('{point}', repr(point)).replace('0.03', '0.1'))
  out = tmp_path / 'out'
  runner, *_ = races.under_way(
    tmp_path,
    out=out,
    evaluations=3,
    untimed=True,
    submissions=path,
    suite=races.suite(tmp_path, target=0.05, steps=2000, evaluations=200),
  )
  try:
    told = races.run(tmp_path, 'status', out=out).stdout
    [row] = json.loads(races.run(tmp_path, 'status', '--json', out=out).stdout)
  finally:
    runner.terminate()
    runner.communicate()
  assert row['state'] == 'running'
  assert 0 <= row['chance'] <= 1
  low, *_ = row['steps_to_target']
  assert low is None or low > 20
  assert '; forecast: ' in told and '% to reach the target' in told
