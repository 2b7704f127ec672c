"""Trials on two hosts, which are two processes here, from the command line."""

import os
import pathlib
import signal
import time

import pytest

from runner import records, storage
from tests.races import curve, final, folder, mine, run, suite, under_way

OTHER = {'also_on': 'env', 'preflight': False}
TOLERANCE = 1e-4  # Of float32, after forty steps.
together = pytest.mark.xdist_group('hosts')


def processes_of(path: pathlib.Path) -> list[int]:
  """Those whose commands name a folder."""
  found = []
  for entry in pathlib.Path('/proc').iterdir():
    if entry.name.isdecimal():
      try:
        words = (entry / 'cmdline').read_bytes()
      except OSError:
        continue  # It has ended.
      if str(path).encode() in words and b'trial' in words.split(b'\0'):
        found.append(int(entry.name))
  return found


def follower_of(path: pathlib.Path) -> int:
  [found] = [
    one
    for one in processes_of(path)
    if b'--host=1' in pathlib.Path(f'/proc/{one}/cmdline').read_bytes()
  ]
  return found


def numbers(rows) -> list[float]:
  return [float(value) for row in rows for value in row]


@pytest.fixture(scope='module')
def two(tmp_path_factory):
  """A slow trial on two hosts: its home, its flags, its folder."""
  home = tmp_path_factory.mktemp('hosts')
  slow = mine(home, 'mine', steps=40, step='time.sleep(0.05)')
  toml = suite(home, seconds=100.0, evaluations=100)
  flags = {'suite': toml, 'submissions': slow}
  done = run(home, 'run', **flags, **OTHER, out=home / 'two')
  assert done.returncode == 0, done.stderr
  return home, flags, folder(home / 'two', 'mine')


@together
def test_two_hosts_train_as_one_does(two):
  home, flags, path = two
  one = folder(home / 'one', 'mine')
  assert run(home, 'run', **flags, out=home / 'one').returncode == 0
  assert numbers(curve(path)) == pytest.approx(
    numbers(curve(one)), rel=TOLERANCE
  )
  last, alone = (
    storage.read_rows(place / records.EVALS)[-1] for place in (path, one)
  )
  metrics = [name for name in last if name.startswith('validation/')]
  assert len(metrics) == 3
  for name in metrics:
    assert float(last[name]) == pytest.approx(float(alone[name]), rel=TOLERANCE)
  meta = storage.read_json(path / 'meta_data_0.json')
  assert (meta['hosts'], len(meta['devices'])) == (2, 2)
  assert not processes_of(path)


@together
def test_a_killed_host_costs_an_attempt_and_nothing_else(two):
  home, flags, whole = two
  runner, path, _ = under_way(home, **flags, **OTHER, out=home / 'killed')
  time.sleep(0.2)
  os.kill(follower_of(path), signal.SIGKILL)
  _, said = runner.communicate(timeout=60)
  assert runner.returncode == 1, said
  status = records.status(path)
  assert (status.outcome, status.again) == ('preempted', True)
  assert status.reason == 'Host 1 (env) was ended by signal 9.'
  assert not processes_of(path)
  again = run(home, 'run', **flags, **OTHER, out=home / 'killed')
  assert again.returncode == 0, again.stderr
  assert final(path) == final(whole)
  assert curve(path) == curve(whole)


@together
def test_any_host_that_is_asked_to_leave_has_all_save_and_leave(two):
  home, flags, whole = two
  runner, path, _ = under_way(home, **flags, **OTHER, out=home / 'asked')
  os.kill(follower_of(path), signal.SIGTERM)
  runner.communicate(timeout=60)
  status = records.status(path)
  assert status.outcome == 'preempted' and 'saved at step' in status.reason
  assert not processes_of(path)
  again = run(home, 'run', **flags, **OTHER, out=home / 'asked')
  assert again.returncode == 0, again.stderr
  assert final(path) == final(whole)


@together
def test_a_host_that_cannot_be_reached_is_named(two):
  home, flags, _ = two
  began = time.monotonic()
  words = "sh -c 'echo no route to it >&2; exit 3'"
  done = run(
    home, 'run', **flags, preflight=False, also_on=words, attempts=1,
    out=home / 'far',
  )  # fmt: skip
  assert done.returncode == 1 and time.monotonic() - began < 30
  status = records.status(folder(home / 'far', 'mine'))
  assert (status.outcome, status.again) == ('crashed', True)
  assert 'left with exit code 3: no route to it' in status.reason
