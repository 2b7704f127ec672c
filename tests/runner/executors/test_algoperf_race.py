"""Submissions written for AlgoPerf in real processes, from start to score."""

import csv
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from runner import planning
from runner.launch import planned_trial
from runner.launch.attempt import TrialOptions
from runner.machine import hardware, speeds as speeds_
from runner.protocol import layout, storage
from runner.protocol.plan import Speed
from runner.protocol.suites import suite as rules
from runner.protocol.trial_file import StepLimits
from runner.tools import check
from tests.conftest import QUICK
from tests.support import suites
from tests.support.written import HERE, IDLE, TWIN, V05, V06, write

pytestmark = pytest.mark.apart  # Slow, and each on its own.

ROOT = pathlib.Path(__file__).parents[3]
CHANGING = HERE / 'changing.py'
SUITE = suites.digits(target=0.95, steps=60, eval_batch_size=64)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
  """Trials here compile more than they compute, as tests do."""
  monkeypatch.setenv('XLA_FLAGS', QUICK)


@pytest.fixture
def suite(tmp_path):
  path = tmp_path / 'tiny.toml'
  path.write_text(SUITE)
  return path


def run(*arguments):
  return subprocess.run(
    [sys.executable, '-m', *map(str, arguments)],
    cwd=ROOT, capture_output=True, text=True, check=True,
  ).stdout  # fmt: skip


def steps(suite, request, ruleset, out, count=6):
  """Trains by steps; the evaluations, without what a clock says."""
  made = planning.make_endless(
    rules.load(str(suite)), ruleset, [str(request)], hardware.describe()
  )
  limits = StepLimits(steps=count, eval_steps=count // 2)
  trial = made.trials[0]
  status = planned_trial.run_trial(
    out, made, trial, lambda event: None, TrialOptions(), limits=limits
  )
  folder = trial.folder(out)
  assert status.outcome == 'ended', status.reason
  return folder, [
    {name: row[name] for name in row if '/' in name or name == 'global_step'}
    for row in storage.read_rows(folder / layout.EVALS)
  ]


@pytest.mark.parametrize('path', [V06, CHANGING])
def test_it_passes_the_checks_that_ours_pass(path, suite, capsys):
  """Even where evaluations change what is trained, and its tree."""
  code = check.main(rules.load(str(suite)), (str(path),), TrialOptions())
  lines = capsys.readouterr().out.splitlines()
  lines = [line for line in lines if not line.startswith('look')]
  assert code == 0
  assert [line[:4] for line in lines] == ['ok  '] * 3
  assert 'a resumed run is the same run' in lines[2]


def test_checks_say_what_is_missing_and_train_nothing(suite, tmp_path, capsys):
  folder = write(tmp_path / 'one', 'import optax\nX = optax.gone\n' + IDLE)
  assert check.main(rules.load(str(suite)), (str(folder),), TrialOptions()) == 1
  [line] = capsys.readouterr().out.splitlines()
  start = 'FAIL one: submission.py, line 2: optax.gone is not available here.'
  assert line.startswith(start)


def test_eight_devices_train_as_one_does(suite, tmp_path, monkeypatch):
  """Within rounding; v0.5 has batch norm see an eighth of each batch."""
  alone = steps(suite, TWIN, 'external', tmp_path / 'alone')[1]
  eight = '--xla_force_host_platform_device_count=8'
  monkeypatch.setenv('XLA_FLAGS', f'{QUICK} {eight}')
  folder, found = steps(suite, V06, 'external', tmp_path / 'new')
  devices = json.loads((folder / 'meta_data_0.json').read_text())['devices']
  assert len(devices) == 8
  _, old = steps(suite, V05, 'self', tmp_path / 'old')
  for one, new, parted in zip(alone, found, old, strict=True):
    assert one['global_step'] == new['global_step'] == parted['global_step']
    loss = float(one['validation/loss'])
    assert float(new['validation/loss']) == pytest.approx(loss, rel=1e-4)
    assert float(parted['validation/loss']) == pytest.approx(loss, rel=0.05)


def test_what_cannot_be_resumed_says_so_and_starts_over(suite, tmp_path):
  text = IDLE.replace('return {}', 'return object()')
  request, out = write(tmp_path / 'one', text), tmp_path / 'out'
  folder, rows = steps(suite, request, 'self', out)
  log = (folder / 'trial.log').read_text()
  assert log.count('This trial cannot be resumed: optimizer_state is a') == 1
  # As if it had been killed before it could say how it ended.
  lines = (folder / layout.ATTEMPTS).read_text().splitlines()
  (folder / layout.ATTEMPTS).write_text(lines[0] + '\n')
  _, again = steps(suite, request, 'self', out)
  assert again == rows
  with (folder / 'eval_measurements_before_1.csv').open() as file:
    assert len(list(csv.DictReader(file))) == len(rows)


def told(row):
  seconds = row['workloads']['digits']['seconds']
  return row['submission'], row['rank'], row['score'], seconds


def test_a_race_scores_the_same_as_logs_of_a_published_board(suite, tmp_path):
  out, logs = tmp_path / 'results', tmp_path / 'logs'
  speeds = {'digits': Speed(60.0, 0.1)}  # Nobody runs out of time.
  loaded = rules.load(str(suite))
  speeds_.save(tmp_path / 'speeds', hardware.describe(), loaded, speeds)
  race = (
    f'--suite={suite}',
    f'--submissions=theirs={V06},{TWIN}',
    '--studies=1',
  )
  race += ('--ruleset=external', f'--hardware_dir={tmp_path / "speeds"}')
  run('runner', 'run', *race, f'--out={out}')
  score = ('--noreport', '--json')
  ours = json.loads(run('scoring', out, *score))['leaderboard']
  for path in out.rglob('eval_measurements.csv'):
    target = logs / path.relative_to(out)
    target.parent.mkdir(parents=True)
    shutil.copyfile(path, target)
  table = json.loads((out / 'plan.json').read_text())
  seconds = table['seconds']['digits']
  board = tmp_path / 'board.toml'
  board.write_text(
    SUITE.replace('evaluations = 3', f'seconds = {seconds}\neval_seconds = 9')
  )
  theirs = json.loads(
    run('scoring', logs, f'--rules={board}', '--ruleset=external', *score)
  )['leaderboard']
  assert list(map(told, ours)) == list(map(told, theirs))
  assert {row['submission'] for row in ours} == {'theirs', 'twin'}
  assert (out / 'theirs/study_0/digits_jax/trial_1/theirs').is_dir()
  assert all(row['score'] > 0 for row in ours)
