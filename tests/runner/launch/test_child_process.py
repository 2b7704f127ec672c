"""A process is followed, and stopped where it says nothing more."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from runner.launch import child_process, descendants, outcomes, trial_log
from runner.protocol import layout
from runner.protocol.records.events import Seen

HEAD = """
import json, os, subprocess, sys, time
from runner.launch import child_process as child
child.answer_for_stacks()
fd = int(sys.argv[-1].partition('=')[2])
def tell(**news):
  os.write(fd, (json.dumps(news) + chr(10)).encode())
"""


@pytest.fixture
def follow(tmp_path):
  """Runs a script; how it left, what it told and what it printed."""

  def run(text, **patience):
    path = tmp_path / 'script.py'
    path.write_text(HEAD + text)
    news, log = [], tmp_path / 'log'
    with log.open('wb') as file:
      left = child_process.run(
        [sys.executable, str(path)],
        file,
        lambda event: news.append(event.to_json()),
        child_process.Timeouts(**patience),
        os.environ | {'PYTHONPATH': os.getcwd()},
      )
    return left, news, log.read_text()

  return run


def test_news_come_whole_however_they_are_cut(follow):
  left, news, log = follow(
    'tell(step=1)\n'
    'half = json.dumps({"step": 2}).encode() + bytes([10])\n'
    'os.write(fd, half[:4])\ntime.sleep(0.2)\nos.write(fd, half[4:])\n'
    'tell(over=True)\nprint("printed")\nsys.exit(3)'
  )
  assert news == [{'step': 1}, {'step': 2}, {'over': True}]
  assert (left.code, left.stopped) == (3, '')
  assert log == 'printed\n'
  assert left.ended <= time.monotonic()


def test_silence_ends_in_stacks_of_all_threads_and_death(follow):
  began = time.monotonic()
  left, news, log = follow(
    'import threading\n'
    'def waits_in_a_thread(): time.sleep(1000)\n'
    'threading.Thread(target=waits_in_a_thread, daemon=True).start()\n'
    'def waits_for_ever(): time.sleep(1000)\n'
    'tell(step=1)\nwaits_for_ever()',
    hang=3.0,
  )
  assert time.monotonic() - began < 30
  assert left.stopped == 'There was no progress for 3 s.'
  assert left.code == -9 and news == [{'step': 1}]
  assert 'waits_in_a_thread' in log and 'waits_for_ever' in log


def test_whoever_goes_on_may_do_so_until_the_wall(follow):
  text = 'for n in range(1000):\n  tell(step=n)\n  time.sleep(0.1)'
  left, news, _ = follow(text, hang=2.0, wall=4.0)
  assert left.stopped == 'The process took longer than 4 s.'
  assert len(news) > 10


def test_nothing_that_it_started_is_left(follow):
  left, news, _ = follow(
    "other = subprocess.Popen(['sleep', '1000'])\n"
    'tell(step=other.pid)\ntime.sleep(1000)',
    hang=3.0,
  )
  assert left.stopped
  deadline = time.monotonic() + 60
  while _lives(news[0]['step']):
    assert time.monotonic() < deadline
    time.sleep(0.01)


def _lives(pid):
  try:
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
  except (FileNotFoundError, ProcessLookupError):
    return False
  return stat.split()[2] != 'Z'  # Dead, but nobody has asked for it yet.


NO_NEWS = {
  'bytes': 'os.write(fd, bytes(range(128, 256)) + bytes([10]))',
  'a list': 'os.write(fd, b"[1]" + bytes([10]))',
  'other values': 'tell(step="one")',
  'no end': 'os.write(fd, b"x" * 9000)',
  'too deep': 'os.write(fd, b"[" * 4000 + bytes([10]))',
}


@pytest.mark.parametrize('kind', NO_NEWS)
def test_what_is_no_news_stops_the_trial_and_not_the_race(follow, kind):
  began = time.monotonic()
  left, news, log = follow(f'tell(step=1)\n{NO_NEWS[kind]}\ntime.sleep(1000)')
  assert time.monotonic() - began < 30
  assert news == [{'step': 1}]
  assert 'bytes that are no progress' in left.stopped
  assert 'script.py' in log  # Its stacks.
  assert outcomes.death(left, False, '') == (
    'crashed',
    f'{left.stopped} The process was stopped; its stacks are in trial.log.',
    False,
  )


HEIRS = {  # They inherit all that is open, and live on in other sessions.
  'forked': 'if not os.fork():\n  os.setsid()\n  time.sleep(1000)',
  'twice': 'if not os.fork():\n  os.setsid()\n  os.fork()\n  time.sleep(1000)',
  'started': "subprocess.Popen(['sleep', '1000'], close_fds=False)",
  'talking': (
    'if not os.fork():\n  os.setsid()\n  while True:\n    tell(step=2)'
  ),
}


@pytest.mark.parametrize('kind', HEIRS)
def test_who_inherits_the_pipe_ends_with_the_trial(follow, kind, monkeypatch):
  """The race once waited for them, and their trial's folder was held."""
  monkeypatch.setenv('OF_THIS_TEST', kind)
  left, news, _ = follow(f'{HEIRS[kind]}\ntell(over=True)\nos._exit(3)')
  assert time.monotonic() - left.ended < 5.0
  assert (left.code, left.stopped) == (3, '')
  assert {'over': True} in news
  assert not any(
    b'OF_THIS_TEST=' + kind.encode() in environ(path)
    for path in pathlib.Path('/proc').glob('[0-9]*/environ')
    if path.parent.name != str(os.getpid())
  )


# Neither a session nor an environment says whose they are.
HIDDEN = {
  'cleared': "subprocess.Popen(['sleep', '98765'], env={}, {new})",
  'by another': (
    "subprocess.run(['sh', '-c', 'setsid env -i sleep 98765 &'])\n"
    'time.sleep(0.5)'
  ),
  'twice': (
    'if not os.fork():\n  os.setsid()\n  os.fork()\n  os.setsid()\n'
    "  os.execve('/bin/sleep', ['sleep', '98765'], {})"
  ),
  'with orphans of its own': (
    'import ctypes\n'
    'if not os.fork():\n  os.setsid()\n  ctypes.CDLL(None).prctl(36, 1)\n'
    "  subprocess.run(['sh', '-c', 'setsid env -i sleep 98765 &'])\n"
    "  os.execve('/bin/sleep', ['sleep', '98765'], {})"
  ),
  'many': (
    "for _ in range(50):\n  subprocess.Popen(['sleep', '98765'], env={}, {new})"
  ),
  'stubborn': (
    'import signal\n'
    'signal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
    "subprocess.Popen(['sleep', '98765'], env={}, {new})"
  ),
  'multiplying': (
    'if not os.fork():\n  os.setsid()\n  end = time.time() + 60\n'
    '  while time.time() < end:\n'
    '    time.sleep(0.02)\n'
    '    if os.fork(): os._exit(0)\n'
    '    os.setsid()\n'
  ),
}


@pytest.mark.parametrize('kind', HIDDEN)
def test_who_hides_from_its_parent_ends_with_the_trial(follow, tmp_path, kind):
  """Only its name told once; it slowed the trials that came next."""
  seconds = f'98765.{os.getpid()}'  # As no other process sleeps.
  source = HIDDEN[kind].replace('98765', seconds)
  source = source.replace('{new}', 'start_new_session=True')
  with helpers() as (helper, daemon):
    left, news, _ = follow(f'{source}\ntell(over=True)\nos._exit(3)')
    assert (left.code, left.stopped) == (3, '')
    assert {'over': True} in news
    assert not [p for p in running() if str(tmp_path) in p or seconds in p]
    assert helper.poll() is None and _lives(daemon)
  assert descendants._subreaper() == 0


@contextlib.contextmanager
def helpers():
  """A child of this process, and an orphan that it has started in a session."""
  script = (
    'import subprocess, sys, time\n'
    "one = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
    'print(one.pid, flush=True)\ntime.sleep(1000)'
  )
  helper = subprocess.Popen(
    [sys.executable, '-c', script], stdout=subprocess.PIPE
  )
  daemon = int(helper.stdout.readline())
  try:
    yield helper, daemon
  finally:
    os.kill(daemon, signal.SIGKILL)
    helper.kill()
    helper.wait()
    helper.stdout.close()


def running():
  """Commands of all processes of this test's user that have not ended."""
  found = []
  for one in descendants._processes():
    with contextlib.suppress(OSError):
      words = pathlib.Path(f'/proc/{one.pid}/cmdline').read_bytes()
      found.append(words.replace(b'\0', b' ').decode() * (not one.ended))
  return found


def environ(path):
  try:
    return path.read_bytes()
  except OSError:
    return b''  # It has ended.


def test_silence_is_noticed_where_the_pipe_is_closed(follow):
  left, _, _ = follow('os.close(fd)\ntime.sleep(1000)', hang=2.0)
  assert left.stopped == 'There was no progress for 2 s.'
  left, _, _ = follow('os.close(fd)\ntime.sleep(1)\nsys.exit(4)', hang=30.0)
  assert (left.code, left.stopped) == (4, '')


def test_who_talks_without_end_is_stopped_at_the_wall(follow):
  left, _, _ = follow('while True: tell(step=1)', wall=2.0)
  assert left.stopped == 'The process took longer than 2 s.'


def test_a_real_time_signal_has_no_name():
  """It once ended the race."""
  _, reason, _ = outcomes.death(child_process.Exit(-37, 0.0, ''), False, '')
  assert reason == 'The process was ended by signal 37.'


def test_the_middle_of_a_long_log_is_cut_out(tmp_path, monkeypatch):
  monkeypatch.setattr(trial_log, 'SMALL', 100)
  monkeypatch.setattr(trial_log, 'MOST', 2000)
  monkeypatch.setattr(trial_log, 'HEAD', 1000)
  monkeypatch.setattr(trial_log, 'TAIL', 500)
  path = tmp_path / outcomes.LOG
  watch = trial_log.Watch([path])
  assert watch.full() == ''  # A trial that deletes it has none.
  path.mkdir()
  assert watch.full() == ''
  path.rmdir()
  with path.open('ab') as log:
    for n in range(400):
      log.write(f'line {n}\n'.encode())
      log.flush()
      assert watch.full() == ''
      assert path.stat().st_size <= 2100
  lines = path.read_text(encoding='utf-8').splitlines()
  assert lines[0] == 'line 0' and lines[-1] == 'line 399'
  assert sum('bytes are left out here' in line for line in lines) == 1
  assert outcomes.printed_since(tmp_path, 10**6).endswith('line 399\n')


def test_a_log_that_fills_the_disk_stops_its_trial(tmp_path, monkeypatch):
  monkeypatch.setattr(trial_log, 'SHARE', 1e-9)
  path = tmp_path / outcomes.LOG
  path.write_bytes(b'x' * (3 * trial_log.SMALL))
  watch = trial_log.Watch([path])
  assert f'{3 * trial_log.SMALL:,} bytes' in watch.full()
  assert path.stat().st_size < 2 * trial_log.SMALL
  assert watch.full()  # It stays the reason.


@pytest.mark.parametrize('before', [[], [{'outcome': 'preempted'}]])
def test_one_killed_before_it_says_anything_has_an_end_of_its_own(
  tmp_path, before
):
  """It once was taken for the attempt before it, and ended the race."""
  for number, end in enumerate(before):
    layout.event(tmp_path, 'start', number)
    facts = {'reason': '', 'step': 0, 'seconds': 0.0, 'accounts': {}}
    layout.event(tmp_path, 'end', number, **facts, **end)
  left = child_process.Exit(-signal.SIGKILL, 1.0, '')
  outcomes.close(tmp_path, len(before), left, Seen(wall_seconds=1.0), False, '')
  status = layout.status(tmp_path)
  assert (status.outcome, status.retryable) == ('preempted', True)
  assert status.attempts == len(before) + 1
  assert 'SIGKILL' in status.reason
