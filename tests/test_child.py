"""A process is followed, and stopped where it says nothing more."""

import os
import pathlib
import signal
import sys
import time

import pytest

from runner import child, endings, records

HEAD = """
import json, os, subprocess, sys, time
from runner import child, records
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
      left = child.run(
        [sys.executable, str(path)],
        file,
        news.append,
        child.Patience(**patience),
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
    silence=3.0,
  )
  assert time.monotonic() - began < 30
  assert left.stopped == 'There was no progress for 3 s.'
  assert left.code == -9 and news == [{'step': 1}]
  assert 'waits_in_a_thread' in log and 'waits_for_ever' in log


def test_whoever_goes_on_may_do_so_until_the_wall(follow):
  text = 'for n in range(1000):\n  tell(step=n)\n  time.sleep(0.1)'
  left, news, _ = follow(text, silence=2.0, wall=4.0)
  assert left.stopped == 'It took longer than 4 s.'
  assert len(news) > 10


def test_nothing_that_it_started_is_left(follow):
  left, news, _ = follow(
    "other = subprocess.Popen(['sleep', '1000'])\n"
    'tell(pid=other.pid)\ntime.sleep(1000)',
    silence=3.0,
  )
  assert left.stopped
  deadline = time.monotonic() + 60
  while _lives(news[0]['pid']):
    assert time.monotonic() < deadline
    time.sleep(0.01)


def _lives(pid):
  try:
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
  except (FileNotFoundError, ProcessLookupError):
    return False
  return stat.split()[2] != 'Z'  # Dead, but nobody has asked for it yet.


@pytest.mark.parametrize('before', [[], [{'outcome': 'preempted'}]])
def test_one_killed_before_it_says_anything_has_an_end_of_its_own(
  tmp_path, before
):
  """It once was taken for the attempt before it, and ended the race."""
  for number, end in enumerate(before):
    records.event(tmp_path, 'start', number)
    facts = {'reason': '', 'step': 0, 'seconds': 0.0, 'accounts': {}}
    records.event(tmp_path, 'end', number, **facts, **end)
  left = child.Exit(-signal.SIGKILL, 1.0, '')
  endings.close(tmp_path, len(before), left, {'wall_seconds': 1.0}, False, '')
  status = records.status(tmp_path)
  assert (status.outcome, status.again) == ('preempted', True)
  assert status.attempts == len(before) + 1
  assert 'SIGKILL' in status.reason
