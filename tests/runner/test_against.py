"""A race against a board: by its rules, and told in one paragraph."""

import dataclasses
import subprocess
import sys

import pytest

from runner import commands
from runner.launch.attempt import TrialOptions
from runner.options import Options
from runner.protocol import layout, results_folder
from tests.support import races


def options(home, name, out, **more):
  return Options(
    suite=str(races.suite(home, target=0.99, steps=20)),
    submissions=(str(races.mine(home, name, steps=30)),),
    studies=1,
    out=home / out,
    hardware_dir=home / 'hardware',
    preflight=False,
    trial=TrialOptions(untimed=True),
    **more,
  )


def test_mine_races_by_the_rules_of_the_board_and_beside_it(
  tmp_path, capfd, monkeypatch
):
  monkeypatch.setattr(layout, 'HELD_UP', 2.0)  # Other tests run beside this.
  assert commands.run(options(tmp_path, 'other', 'board')) == 0
  own = options(tmp_path, 'mine', 'out', against=tmp_path / 'board')
  # The board decides, whatever else is said.
  own = dataclasses.replace(own, suite='mini', ruleset='external', studies=None)
  capfd.readouterr()
  assert commands.run(own) == 0
  told = capfd.readouterr().out
  assert 'mine: it reaches 1 of 1 targets (digits), and other 1.' in told
  assert 'It needs 1.00 times the steps of other' in told
  assert 'rank 1 among 2 entries' in told
  plan = results_folder.planned(tmp_path / 'out')
  board = results_folder.planned(tmp_path / 'board')
  assert plan.suite == board.suite and plan.ruleset == 'self'
  assert [t.seed for t in plan.trials] == [t.seed for t in board.trials]
  timed = dataclasses.replace(own, submissions=('other',), trial=TrialOptions())
  assert commands.time(timed) == 0
  told = capfd.readouterr().out
  assert '2 of 2 programs are timed' in told
  assert 'times the seconds of other' in told
  folder = layout.folder(tmp_path / 'board', 'other', 'digits', 0, 1)
  assert folder.exists()


def test_an_entry_that_is_not_on_the_board_cannot_be_timed(tmp_path):
  from runner.tools import timing
  from tests.support import made_results as made

  made.write_plan(tmp_path, [('x', 'criteo1tb/mini', 0, 1)])
  suite = results_folder.planned(tmp_path).suite
  with pytest.raises(ValueError, match="No entry 'adamw' on the board"):
    timing.part(tmp_path, ['adamw'], suite)


@pytest.mark.parametrize('flag', ['--suite=mini', '--ruleset=self'])
def test_flags_that_contradict_the_board_are_refused(tmp_path, flag):
  done = subprocess.run(
    [
      sys.executable, '-m', 'runner', 'run', '--against=docs/leaderboard/self',
      '--submissions=lion', flag, f'--out={tmp_path}/out',
    ],
    cwd=races.ROOT,
    capture_output=True,
    text=True,
    check=False,
  )  # fmt: skip
  assert done.returncode == 2
  assert 'of the board. Leave out' in done.stderr
  assert not (tmp_path / 'out').exists()
