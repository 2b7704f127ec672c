"""Races in which trials are stopped that need not go on."""

import json
import subprocess
import sys

import pytest

from runner.protocol import layout
from tests.support import races

pytestmark = pytest.mark.apart


def submission(home, name, steps, step=''):
  path = races.mine(home, name, steps=steps, step=step)
  return str(path)


def status(out, name, study, trial=1):
  return layout.status(layout.folder(out, name, 'digits', study, trial))


def scored(out, *words):
  """Return what a command of scoring prints about a results folder."""
  command = [word for word in words if not word.startswith('-')]
  rest = [word for word in words if word.startswith('-')]
  return subprocess.run(
    [sys.executable, '-m', 'scoring', *command, str(out), *rest],
    cwd=races.ROOT,
    capture_output=True,
    text=True,
    check=False,
  ).stdout


def test_a_race_stops_what_is_beyond_the_cutoff(tmp_path):
  """The strongest submission races first, whatever its name."""
  slow = submission(tmp_path, 'a_slow', 400, step='time.sleep(0.3)')
  first = submission(tmp_path, 'c_first', 400)
  flags = dict(
    suite=races.suite(tmp_path, target=0.5), preflight='false', studies=1
  )
  out = tmp_path / 'out'
  begun = races.run(tmp_path, 'run', submissions=first, **flags, out=out)
  assert begun.returncode == 0, begun.stderr
  both = f'{slow},{first}'
  done = races.run(
    tmp_path, 'run', '--stop=exact', submissions=both, **flags, out=out
  )
  assert done.returncode == 0, done.stderr
  won, beyond = status(out, 'c_first', 0), status(out, 'a_slow', 0)
  assert (won.outcome, beyond.outcome) == ('reached', 'beaten')
  assert 'cannot change any score: it was beyond' in beyond.reason
  assert 4 * won.seconds < beyond.seconds < 4 * won.seconds + 10
  board = scored(out, '--noreport')
  assert '1 trials were stopped when they could not change' in board


def test_an_untimed_race_stops_by_the_steps_of_one_cell(tmp_path):
  paths = []
  for name, steps in (('mine', (400, 400)), ('lost', (4, 5))):
    path = races.mine(tmp_path, name)
    points = [{'steps': count} for count in steps]
    path.write_text(f'{path.read_text()}SPACE = {points}\n')
    paths.append(str(path))
  out = tmp_path / 'out'
  done = races.run(
    tmp_path,
    'run',
    '--stop=exact',
    '--untimed',
    submissions=','.join(paths),
    suite=races.suite(tmp_path, target=0.5, trials=2),
    ruleset='external',
    studies=2,
    out=out,
  )
  assert done.returncode == 0, done.stderr
  cells = [(study, trial) for study in (0, 1) for trial in (1, 2)]
  found = [status(out, 'mine', *cell).outcome for cell in cells]
  assert found[0] == found[2] == 'reached'
  assert set(found) <= {'reached', 'beaten'}
  found = [status(out, 'lost', *cell) for cell in cells]
  assert [one.outcome for one in found] == ['ended'] * 2 + ['beaten'] * 2
  for one in found[2:]:
    assert 'not begun: the median of its studies was decided' in one.reason
    assert one.seconds == 0
  doubts = [
    one for one in json.loads(scored(out, 'verify', '--json')) if one['doubt']
  ]
  assert not [one for one in doubts if 'lost' in one['path']], doubts


def test_what_a_growing_race_may_stop(tmp_path):
  done = races.run(tmp_path, 'run', '--decide', '--stop=exact')
  assert done.returncode == 2
  assert '--stop=beaten' in done.stderr
