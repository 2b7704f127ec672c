"""Trials on two hosts, which are two processes here, from the command line."""

import os
import pathlib
import queue
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from runner.launch import remote_hosts
from runner.protocol import layout, storage
from runner.trial import checkpoint, multihost
from runner.trial.hosts import connecting
from tests.conftest import QUICK
from tests.support.races import (
  LONG,
  curve,
  folder,
  mine,
  paced,
  run,
  suite,
  under_way,
)

OTHER = {'also_on': 'env', 'shard_state': True}
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
    if b'"host": 1,' in pathlib.Path(f'/proc/{one}/cmdline').read_bytes()
  ]
  return found


def last(path: pathlib.Path):
  """Step and arrays of the last checkpoint."""
  found = checkpoint.load(path / 'checkpoint')
  return found.facts['steps'], found.arrays


def numbers(rows) -> list[float]:
  return [float(value) for row in rows for value in row]


@pytest.fixture(scope='module')
def race(tmp_path_factory):
  """A home, and the flags of a trial that is slow until a file is there."""
  home = tmp_path_factory.mktemp('hosts')
  slow = mine(home, 'mine', steps=40, step=paced(home / 'quick'))
  given = {'seconds': 100.0, 'evaluations': 100}
  suite(home, **given, hosts=2)
  flags = {'suite': suite(home, **given), 'submissions': slow}
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('XLA_FLAGS', QUICK)  # Of programs that must be alike.
    yield home, flags


@together
def test_two_hosts_train_as_one_does_whatever_happens_to_them(race):
  """Though each has but a half of the optimizer's state; nothing stays behind.

  The second one is killed, then it is asked to leave, then both go on.
  """
  home, flags = race
  runner, path, _ = under_way(home, **flags, **OTHER, out=home / 'two')
  os.kill(follower_of(path), signal.SIGKILL)
  _, said = runner.communicate(timeout=LONG)
  assert runner.returncode == 1, said
  status = layout.status(path)
  assert (status.outcome, status.retryable) == ('preempted', True)
  assert status.reason == 'Host 1 (env) was ended by signal 9.'
  assert not processes_of(path)

  runner, path, _ = under_way(home, **flags, **OTHER, out=home / 'two')
  os.kill(follower_of(path), signal.SIGTERM)
  runner.communicate(timeout=LONG)
  status = layout.status(path)
  assert (status.outcome, status.attempts) == ('preempted', 2)
  assert 'saved at step' in status.reason
  assert not processes_of(path)

  (home / 'quick').touch()
  done = run(home, 'run', **flags, **OTHER, out=home / 'two')
  assert done.returncode == 0, done.stderr
  assert not processes_of(path)
  meta = storage.read_json(path / 'meta_data_2.json')
  assert (meta['hosts'], len(meta['devices'])) == (2, 2)
  *_, end, _ = storage.read_lines(path / layout.ATTEMPTS)
  share = end['optimizer_bytes_per_device'] / end['optimizer_bytes']
  assert 0.5 <= share < 0.6  # Some arrays do not divide.

  assert run(home, 'run', **flags, out=home / 'one').returncode == 0
  alone = folder(home / 'one', 'mine')
  assert numbers(curve(path)) == pytest.approx(
    numbers(curve(alone)), rel=TOLERANCE
  )
  first, first_alone = (
    storage.read_rows(place / layout.EVALS)[0] for place in (path, alone)
  )
  metrics = [name for name in first if name.startswith('validation/')]
  assert first['global_step'] == '1' and len(metrics) == 3
  for name in metrics:
    found, wanted = float(first[name]), float(first_alone[name])
    assert found == pytest.approx(wanted, rel=TOLERANCE), name
  (step, arrays), (step_alone, arrays_alone) = map(last, (path, alone))
  assert step == step_alone == 40
  for name, array in arrays.items():
    np.testing.assert_allclose(
      array, arrays_alone[name], TOLERANCE, 1e-6, err_msg=name
    )


def connected(end):
  port, key = multihost.free_port(), b'known'
  with ThreadPoolExecutor(1) as pool:
    accepted = pool.submit(connecting.accepted, port, key, 1)
    called = connecting.called('localhost', port, key, 1)
    leader = multihost.Leader(accepted.result())
    return leader, multihost.Follower(1, called, end)


def test_the_first_host_answers_for_all_and_ends_all():
  codes = queue.Queue()
  first, other = connected(codes.put)
  assert first.agree('charged', lambda: 2.5) == 2.5
  assert first.agree('leaving', lambda: False) is False
  assert other.agree('charged', lambda: pytest.fail('It asked itself.')) == 2.5
  assert other.agree('leaving', lambda: True) is False
  assert not first.asked()
  other.leave()
  assert first.asked()
  first.close()
  assert codes.get(timeout=LONG) == 0


def test_hosts_that_ask_for_different_things_are_told():
  """As where a submission goes by what it was not handed."""
  codes = queue.Queue()
  first, other = connected(codes.put)
  first.agree('leaving', lambda: False)
  with pytest.raises(RuntimeError, match="asks for 'charged' where"):
    other.agree('charged', float)
  del first  # As a process that is gone.
  assert codes.get(timeout=LONG) == remote_hosts.LEFT


def test_a_host_that_does_not_come_is_named():
  """The first host once waited for it without limit."""
  port, key = multihost.free_port(), b'known'
  with ThreadPoolExecutor(1) as pool:
    accepted = pool.submit(connecting.accepted, port, key, 3, limit=3.0)
    there = [connecting.called('localhost', port, key, n) for n in (3, 1)]
    with pytest.raises(connecting.HostsError) as error:
      accepted.result(LONG)
  assert '2 of 3 other hosts connected within 3 s' in str(error.value)
  assert 'missing: host 2. ' in str(error.value)
  assert 'See trial_host_2.log' in str(error.value)
  assert len(there) == 2


def test_a_stranger_that_says_nothing_does_not_stop_the_clock():
  port, key = multihost.free_port(), b'known'
  with ThreadPoolExecutor(1) as pool:
    accepted = pool.submit(connecting.accepted, port, key, 1, limit=3.0)
    deadline = time.monotonic() + LONG
    while True:
      try:
        stranger = socket.create_connection(('localhost', port))
        break
      except OSError:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with stranger, pytest.raises(connecting.HostsError, match='host 1'):
      accepted.result(LONG)


@together
def test_a_host_that_cannot_be_reached_is_named(race):
  home, flags = race
  words = "sh -c 'echo no route to it >&2; exit 3'"
  flags = flags | OTHER | {'also_on': words, 'attempts': 1}
  began = time.monotonic()
  done = run(home, 'run', **flags, out=home / 'far')
  assert done.returncode == 1 and time.monotonic() - began < connecting.JOIN / 2
  status = layout.status(folder(home / 'far', 'mine'))
  assert (status.outcome, status.retryable) == ('crashed', True)
  assert 'exited with code 3: no route to it' in status.reason
