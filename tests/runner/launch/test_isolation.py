"""What a trial may not do, tried by submissions that do it."""

import signal
import socket
import subprocess
import sys
import time

import pytest

from runner.launch import attempt, child_process, isolation, outcomes
from runner.protocol import storage
from tests.support import suites

GREEDY = '''"""Takes more memory than there is."""
import jax.numpy as jnp
import numpy as np
def build(task):
  {take}
SELF = {{}}
'''
CALLER = '''"""Tells how far it has come."""
import socket
def build(task):
  try:
    socket.create_connection(('127.0.0.1', {port}), timeout=5).close()
  except OSError as error:
    raise ValueError(f'Nobody there: {{error}}') from error
  raise ValueError('Somebody answers.')
SELF = {{}}
'''


@pytest.mark.parametrize('take', ['np.ones(2**31)', 'jnp.ones(2**31)'])
def test_who_takes_more_memory_than_is_allowed_is_out_of_memory(tmp_path, take):
  status, folder = suites.trial(
    tmp_path,
    GREEDY.format(take=take),
    options=attempt.TrialOptions(memory_gib=4.0),
  )
  assert (status.outcome, status.retryable) == ('oom', False), status.reason
  meta = storage.read_json(folder / 'meta_data_0.json')
  assert meta['memory_limit_gib'] == 4.0


@pytest.mark.parametrize('network', [False, True])
def test_a_trial_has_the_network_only_if_it_is_asked_for(tmp_path, network):
  if not network and (refusal := isolation.refused()):
    pytest.skip(refusal)
  with socket.create_server(('127.0.0.1', 0)) as server:
    source = CALLER.format(port=server.getsockname()[1])
    options = attempt.TrialOptions(network=network)
    status, folder = suites.trial(tmp_path, source, options=options)
  expected = 'Somebody answers' if network else 'Connection refused'
  assert expected in status.reason
  said = storage.read_json(folder / 'meta_data_0.json')['network']
  assert said == ('as inherited: it was asked for' if network else 'none')


def test_without_unshare_trials_run_and_it_is_said_once(capsys, monkeypatch):
  monkeypatch.setattr(isolation, 'UNSHARE', ('no_such_program',))
  isolation._without.cache_clear()
  for _ in range(2):
    found = isolation.network(wanted=False)
    assert found.command == ()
    assert found.said == ('as inherited: unshare (util-linux) is not installed')
  assert capsys.readouterr().err.count('Trials can use the network') == 1
  isolation._without.cache_clear()


def test_limits_hold_and_leave_no_core_dumps():
  probe = (
    'import pathlib, resource; from runner.launch import isolation\n'
    'def score(): return int(open("/proc/self/oom_score_adj").read())\n'
    'before = score(); isolation.limit(1.5); r = resource\n'
    'print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_DATA),\n'
    '      score() - min(before, 500), isolation.here())\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', probe], capture_output=True, text=True, check=True
  )
  most = int(1.5 * isolation.GIB)
  assert done.stdout.startswith(f'(0, 0) ({most}, {most}) 500 ')
  assert "'memory_limit_gib': 1.5" in done.stdout


@pytest.mark.parametrize(
  ('code', 'printed', 'outcome'),
  [
    (-signal.SIGABRT, 'what():  std::bad_alloc\nAborted', 'oom'),
    (-signal.SIGABRT, 'LLVM ERROR: out of memory\n#0 0x1', 'oom'),
    (1, 'RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes', 'oom'),
    (-signal.SIGABRT, 'assertion failed', 'crashed'),
    (3, 'Goodbye.', 'crashed'),
    # Its last batch size was too large, so it took a smaller one.
    (-signal.SIGKILL, 'out of memory, halving', 'preempted'),
  ],
)
def test_the_dying_words_tell_whether_it_was_memory(code, printed, outcome):
  left = child_process.Exit(code, 0.0, '')
  assert outcomes.death(left, False, printed)[0] == outcome


RUNNER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', sys.argv[1]])
time.sleep(100)
"""
TRIAL = """
import time
from runner.launch import isolation
isolation.limit(None)
print('limited', flush=True)
time.sleep(100)
"""


def test_a_trial_does_not_outlive_its_runner():
  """It may say nothing for minutes, and would disturb the one after it."""
  runner = subprocess.Popen(
    [sys.executable, '-c', RUNNER, TRIAL],
    stdout=subprocess.PIPE,
    env=attempt.environment(),
  )
  runner.stdout.readline()
  began = time.monotonic()
  runner.kill()
  runner.stdout.read()  # Comes to an end when nobody has it open any more.
  runner.stdout.close()
  runner.wait()
  assert time.monotonic() - began < 30.0
