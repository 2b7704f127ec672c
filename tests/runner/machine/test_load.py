"""A busy machine is noticed, and who sleeps or has much to do is not to blame.

Processes compete for one processor here, so that it does not matter how busy
the machine of the tests is.
"""

import json
import os
import subprocess
import sys

import pytest

from runner.launch import child_process, outcomes
from runner.launch.attempt import TrialOptions
from runner.machine import cgroup, hardware, load
from runner.protocol import layout, storage
from runner.protocol.plan import Speed
from runner.protocol.records.events import Seen
from runner.protocol.suites import suite as rules
from runner.tools import calibrate, short_trial
from runner.trial import clock
from tests.support import races

HERE = str(min(os.sched_getaffinity(0)))  # There may be no processor 0 for us.
SPIN = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
print(1, flush=True)
while 1: 0
"""
WORK = """
import json, os, subprocess, sys, threading, time
from runner.machine import load
os.sched_setaffinity(0, {int(sys.argv[1])})
spin = 'import time\\nwhile time.monotonic() < %%r: 0' %% (time.monotonic() + 4)
start, began = load.read(), time.monotonic()
%s
found = load.between(start, load.read(), time.monotonic() - began)
print(json.dumps(found._asdict()))
"""
BUSY = 'while time.monotonic() < began + 2: 0'
SLEEPING = 'for _ in range(4): time.sleep(0.5)'
CHILD = 'child = subprocess.Popen([sys.executable, "-c", spin]); time.sleep(2)'


def measured(work: str) -> load.Load:
  done = subprocess.run(
    [sys.executable, '-c', WORK % work, HERE],
    cwd=races.ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  return load.Load(**json.loads(done.stdout))


@pytest.fixture
def crowded():
  """Three processes that want one processor all the time."""
  spinning = [
    subprocess.Popen([sys.executable, '-c', SPIN, HERE], stdout=subprocess.PIPE)
    for _ in range(3)
  ]
  for one in spinning:
    one.stdout.readline()
  yield
  for one in spinning:
    one.kill()
    one.stdout.close()
    one.wait()


@pytest.mark.parametrize('work', [BUSY, CHILD], ids=['itself', 'its child'])
def test_who_wants_a_processor_that_others_have_is_held_up(crowded, work):
  """The share is about three quarters, for the process or its child."""
  found = measured(work)
  assert found.charged_seconds >= 2.0
  share = layout.held_up(found._asdict())
  assert share > 0.4
  assert found.others_seconds > found.processor_seconds


def test_who_sleeps_is_not_held_up_however_busy_the_machine_is(crowded):
  found = measured(SLEEPING)
  assert found.processor_seconds < 0.3
  assert found.others_seconds > 1.0
  assert layout.held_up(found._asdict()) < layout.HELD_UP


@pytest.mark.parametrize(
  'charged, processor, waiting, others, share',
  [
    (10.0, 10.0, 0.0, 0.0, 0.0),  # Alone, on one of two.
    (10.0, 10.0, 0.1, 10.0, 0.01),  # Others have the other one.
    (10.0, 20.0, 60.0, 0.2, 0.01),  # Its own threads keep it waiting.
    (10.0, 1.0, 0.2, 19.0, 0.02),  # It waits for data.
    (10.0, 5.0, 5.0, 15.0, 0.5),  # One thread of two on one processor.
    (10.0, 40 / 3, 20 / 3, 20 / 3, 1 / 3),  # Two of three on two of them.
    (10.0, 2.0, 30.0, 18.0, 0.9),
    (0.0, 0.0, 0.0, 0.0, 0.0),
  ],
)
def test_the_share_is_what_others_had_of_what_it_wanted(
  charged, processor, waiting, others, share
):
  spent = load.Load(charged, processor, waiting, others, 0.0)
  found = layout.held_up(spent._asdict())
  assert found == pytest.approx(share, abs=0.005)


def test_what_nobody_tells_holds_nobody_up():
  assert layout.held_up({}) == 0.0
  before = load.Reading(1.0, {}, None, None)
  after = load.Reading(3.0, {}, None, None)
  found = load.between(before, after, 4.0)
  assert found == load.Load(4.0, 2.0, 0.0, 0.0, 0.0)


def test_counters_of_the_system_are_read():
  stat = (
    'cpu  1 1 1 1 1 1 1 1 1 1\n'
    'cpu0 100 10 20 5000 70 3 4 5 90 9\n'
    'cpu1 200 0 0 9000 0 0 0 0 0 0\ncpu12 7 0 0 0 0 0 0 0\nintr 5\n'
  )
  assert load.busy_seconds(stat, {0}) == pytest.approx(142 * load.TICK)
  assert load.busy_seconds(stat, {0, 1}) == pytest.approx(342 * load.TICK)
  assert load.busy_seconds(stat, {3}) is None
  pressure = (
    'some avg10=1.00 avg60=0.5 avg300=0.1 total=2500000\nfull total=1\n'
  )
  assert load.pressed_seconds(pressure) == 2.5
  assert load.pressed_seconds('') is None
  odd = '7 (a) b (c) S 1 7 7 0 -1 4 1 1 1 1 10 20 30 40 20 0 5 0'
  assert load.processor_seconds(odd) == pytest.approx(100 * load.TICK)


def test_threads_that_come_and_go_do_not_count_backwards():
  start = load.Reading(1.0, {'1': 5.0, '2': 3.0}, 10.0, 1.0)
  end = load.Reading(2.0, {'1': 5.5, '3': 0.25}, 14.0, 1.5)
  found = load.between(start, end, 2.0)
  assert found == load.Load(2.0, 1.0, 0.75, 3.0, 0.5)


@pytest.mark.parametrize(
  'own, files, quota, used',
  [
    (
      '0::/a/b',
      {'a/b/cpu.max': '150000 100000', 'a/b/cpu.stat': 'usage_usec 2500000'},
      1.5,
      2.5,
    ),
    (
      '0::/a/b',
      {'a/b/cpu.max': 'max 100000', 'a/cpu.max': '400000 100000'},
      4.0,
      None,
    ),
    ('0::/', {'cpu.max': 'max 100000', 'cpu.stat': 'usage_usec 1'}, None, None),
    ('0::/elsewhere', {'cpu.max': '50000 100000'}, 0.5, None),
    (
      '3:cpuset:/x\n2:cpu,cpuacct:/a\n0::/',
      {
        'cpu,cpuacct/a/cpu.cfs_quota_us': '200000',
        'cpu,cpuacct/a/cpu.cfs_period_us': '100000',
        'cpu,cpuacct/a/cpuacct.usage': '3000000000',
      },
      2.0,
      3.0,
    ),
    (
      '1:cpu:/\n2:cpuacct:/',
      {'cpu/cpu.cfs_quota_us': '-1', 'cpu/cpu.cfs_period_us': '100000'},
      None,
      None,
    ),
    ('', {}, None, None),
  ],
)
def test_quotas_are_found(tmp_path, monkeypatch, own, files, quota, used):
  """A process with a quota competes with its group, and not with all."""
  monkeypatch.setattr(cgroup, 'ROOT', tmp_path / 'cgroup')
  monkeypatch.setattr(cgroup, 'OWN', tmp_path / 'own')
  (tmp_path / 'own').write_text(own, encoding='utf-8')
  for name, text in files.items():
    path = tmp_path / 'cgroup' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')
  assert (cgroup.quota(), cgroup.used()) == (quota, used)


def test_the_clock_counts_while_the_submission_pays():
  time, readings = [0.0], []

  def read():
    readings.append(time[0])
    return load.Reading(2 * time[0], {'1': time[0]}, 3 * time[0], None)

  c = clock.Clock(lambda: time[0], started=0.0, read=read)
  time[0] = 5.0
  with c.account('train'):
    time[0] = 6.0
    with c.account('data'):
      time[0] = 7.0
    time[0] = 8.0
  time[0] = 20.0
  with c.account('evaluate'):
    time[0] = 30.0
  with c.account('view'):
    time[0] = 31.0
  assert readings == [5.0, 8.0, 30.0, 31.0]
  assert c.machine_load() == load.Load(4.0, 8.0, 4.0, 4.0, 0.0)
  again = clock.Clock(lambda: time[0], started=0.0, read=read)
  again.restore(c.accounts(), c.machine_load()._asdict())
  again.restore({'train': 1.0})  # Of a checkpoint that does not tell.
  assert again.machine_load() == c.machine_load()


def ended(folder, outcome, waiting):
  """Has a trial end that wanted ten seconds, and waited for so many."""
  spent = load.Load(10.0, 10.0 - waiting, waiting, 50.0, 10.0)._asdict()
  (folder / layout.CHECKPOINT).mkdir()
  layout.event(folder, 'start', 0)
  layout.event(
    folder,
    'end',
    0,
    outcome=outcome,
    reason='As it was.',
    step=1,
    seconds=10.0,
    accounts={'train': 10.0},
    own_seconds=10.0,
    suspended_seconds=0.0,
    load=spent,
    again=False,
  )
  left = child_process.Exit(0, 10.0, '')
  outcomes.close(folder, 0, left, Seen(wall_seconds=10.0), False, '')
  return layout.status(folder)


def test_a_budget_missed_while_held_up_is_no_miss(tmp_path):
  """The next attempt begins anew, and inherits nothing of its clock."""
  status = ended(tmp_path, 'budget', waiting=4.0)
  assert (status.outcome, status.retryable) == ('invalid', True)
  assert 'other programs used 40% of the' in status.reason
  assert not (tmp_path / layout.CHECKPOINT).exists()


@pytest.mark.parametrize(
  'outcome, waiting',
  [('budget', 0.5), ('reached', 4.0), ('ended', 4.0), ('diverged', 4.0)],
)
def test_others_are_scored_as_they_are(tmp_path, outcome, waiting):
  status = ended(tmp_path, outcome, waiting)
  assert (status.outcome, status.retryable) == (outcome, False)
  assert (tmp_path / layout.CHECKPOINT).exists()


def test_a_trial_that_misses_on_a_crowded_machine_is_tried_again(tmp_path):
  slow = races.mine(tmp_path, 'mine', steps=10**6)
  out = tmp_path / 'out'
  flags = dict(suite=races.suite(tmp_path, seconds=2.0), submissions=slow)
  spin = [sys.executable, '-c', 'while 1: 0']
  spinning = [subprocess.Popen(spin) for _ in range(2 * (os.cpu_count() or 1))]
  try:
    done = races.run(tmp_path, 'run', **flags, out=out, attempts=2, pause=0.1)
  finally:
    for one in spinning:
      one.kill()
      one.wait()
  assert done.returncode == 1, done.stderr
  path = races.folder(out, 'mine')
  status = layout.status(path)
  assert (status.outcome, status.attempts) == ('invalid', 2), status.reason
  assert (
    'The trial missed the target while other programs used' in status.reason
  )
  ends = [
    event
    for event in storage.read_lines(path / layout.ATTEMPTS)
    if event['event'] == 'end'
  ]
  assert [e['outcome'] for e in ends] == ['budget', 'invalid'] * 2
  assert ends[0]['load']['processor_seconds'] > 0 and ends[0]['load_average']
  assert (
    ends[2]['load']['charged_seconds']
    <= ends[2]['seconds'] - ends[2]['compiled']['spared_seconds'] + 0.01
  )


@pytest.mark.parametrize('waiting, said', [(4.0, True), (0.2, False)])
def test_a_speed_that_is_measured_on_a_busy_machine_is_told(
  tmp_path, monkeypatch, capsys, waiting, said
):
  """Budgets would be too long, and stay so."""
  spent = load.Load(10.0, 10.0 - waiting, waiting, 50.0, 10.0)._asdict()
  accounts = {'compile': 1.0, 'train': 2.0, 'data': 0.0, 'view': 0.0}
  status = layout.Status(
    outcome='ended', attempts=1, seconds=3.0, accounts=accounts
  )
  found = short_trial.ShortTrial(
    status=status,
    rows=[],
    steps=100,
    memory={},
    held_up=layout.held_up(spent),
    examples={},
    trace='',
  )
  monkeypatch.setattr(short_trial, 'run', lambda *_: found)
  suite = rules.load(str(races.suite(tmp_path)))
  speed = calibrate.measure(
    suite, 'digits', hardware.describe(), TrialOptions(), lambda news: None
  )
  assert speed == Speed(1.0, 0.02)
  assert ('programs used 40%' in capsys.readouterr().err) is said
