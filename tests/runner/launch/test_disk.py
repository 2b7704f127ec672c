"""Disks that are full, read-only or gone, under real races."""

import subprocess

import pytest

from runner.protocol import layout
from tests.support.races import (
  LONG,
  ROOT,
  command,
  curve,
  final,
  folder,
  mine,
  paced,
  run,
  suite,
  under_way,
)

pytestmark = pytest.mark.apart  # Slow, and each on its own.

# In a mount namespace of its own; what it mounts goes with it.
FULL = """
mount -t tmpfs -o size=150k none {out} || exit 99
{race}; echo full: $? >&2
cp -r {out} {copy}
mount -o remount,size=50m {out}
{race}; echo roomy: $? >&2
mount -o remount,ro {out}
{race}; echo again: $? >&2
rm -r {copy}; cp -r {out} {copy}
"""


SMALL = """
mount -t tmpfs -o size=30m none {out} || exit 99
{race}; echo raced: $? >&2
du -sb {out}/loud >&2
cp -r {out} {copy}
"""


def run_with_mounts(script):
  """Run a script in a mount namespace of its own; skip if there is none."""
  done = subprocess.run(
    ['unshare', '--map-root-user', '--mount', 'sh', '-c', script],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode in (1, 99):
    pytest.skip(f'No mounts in a namespace: {done.stderr}')
  return done


@pytest.fixture
def home(tmp_path):
  return tmp_path


def test_a_race_goes_on_when_a_full_disk_has_room_again(home):
  path = mine(home, 'mine', steps=30)
  flags = dict(suite=suite(home, evaluations=600), submissions=path)
  whole = run(home, 'run', **flags, out=home / 'whole')
  assert whole.returncode == 0, whole.stderr
  out, copy = home / 'out', home / 'copy'
  out.mkdir()
  race = command(home, 'run', **flags, out=out, attempts=1)
  script = FULL.format(out=out, copy=copy, race=' '.join(race))
  done = run_with_mounts(script)
  assert 'No space left on device' in done.stdout + done.stderr
  assert 'Traceback' not in done.stdout + done.stderr
  assert 'full: 1' in done.stderr and 'roomy: 0' in done.stderr
  assert 'Read-only file system' in done.stderr
  path = folder(copy, 'mine')
  assert layout.status(path).outcome == 'ended'
  assert final(path) == final(folder(home / 'whole', 'mine'))
  assert curve(path) == curve(folder(home / 'whole', 'mine'))


def test_a_trial_that_fills_the_disk_with_its_log_is_stopped_alone(home):
  """The race once ended with it, as nothing more could be written."""
  loud = mine(home, 'loud', step='[print("x" * 10**6) for _ in range(100)]')
  good = mine(home, 'good', steps=30)
  out, copy = home / 'out', home / 'copy'
  out.mkdir()
  flags = dict(suite=suite(home), submissions=f'{loud},{good}', out=out)
  race = command(home, 'run', **flags)
  script = SMALL.format(out=out, copy=copy, race=' '.join(race))
  done = run_with_mounts(script)
  assert 'Traceback' not in done.stdout + done.stderr
  assert 'raced: 1' in done.stderr
  status = layout.status(folder(copy, 'loud'))
  assert (status.outcome, status.attempts) == ('crashed', 1), status.reason
  assert 'the trial printed too much' in status.reason
  assert layout.status(folder(copy, 'good')).outcome == 'ended'
  assert (folder(copy, 'loud') / 'trial.log').stat().st_size < 5e6


def test_a_folder_that_vanishes_ends_the_race_with_a_word(home):
  slow = mine(home, 'mine', step=paced(home / 'quick'))
  flags = dict(suite=suite(home, evaluations=100), submissions=slow)
  runner, path, _ = under_way(home, **flags, out=home / 'out')
  path.rename(path.with_name('gone'))
  (home / 'quick').touch()
  printed, said = (x.decode() for x in runner.communicate(timeout=LONG))
  assert runner.returncode == 1
  assert 'Traceback' not in printed + said
  assert f'Cannot write {path}' in said
  assert 'No such file or directory' in said
