"""Submissions that would rather not be timed, in real trials."""

import pytest

from runner.protocol import layout
from tests.support.races import folder, mine, run, suite

STEPS, PAUSE = 40, 0.05
ATTEMPTS = 2
SLOW = f'time.sleep({PAUSE})'
TRICKS = {
  # The system's clock stands still, and then goes back.
  'still': dict(
    build='ticks = iter(range(10**9, 0, -1)); '
    'time.time = time.perf_counter = time.monotonic = lambda: next(ticks)',
    step=SLOW,
  ),
  # Takes a second off its account.
  'thief': dict(
    build='import gc; [clock] = [x for x in gc.get_objects() '
    'if type(x).__name__ == "Clock"]',
    step=f'{SLOW}; clock._spent["train"] -= 1.0 if state.done == 20 else 0.0',
  ),
}


@pytest.fixture(scope='module')
def out(tmp_path_factory):
  home = tmp_path_factory.mktemp('tricks')
  paths = [mine(home, name, steps=STEPS, **how) for name, how in TRICKS.items()]
  done = run(
    home,
    'run',
    suite=suite(home),
    submissions=','.join(map(str, paths)),
    out=home / 'out',
    attempts=ATTEMPTS,
    pause=0.1,
  )
  assert 'Traceback' not in done.stdout + done.stderr
  return home / 'out'


def test_another_clock_in_the_place_of_the_systems_changes_nothing(out):
  status = layout.status(folder(out, 'still'))
  assert status.outcome == 'ended'
  assert status.accounts['train'] > STEPS * PAUSE
  assert status.accounts['compile'] >= 0  # As JAX tells it, by time.time.


def test_seconds_taken_off_an_account_are_missed(out):
  """Another attempt once went on from a checkpoint of the stolen ones."""
  status = layout.status(folder(out, 'thief'))
  assert status.outcome == 'invalid'
  assert status.attempts == ATTEMPTS
  assert 'are on no account' in status.reason
  assert float(status.reason.split()[2]) > 0.9  # More on a busy machine.
