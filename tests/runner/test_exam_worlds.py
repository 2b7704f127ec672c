"""Exams that nobody has seen: `--world`, its targets and its file."""

import dataclasses
import subprocess
import sys
import tomllib

import pytest

from runner import commands, options as chosen, preparing
from runner.options import Options
from runner.protocol.suites import suite as rules, suite_files
from runner.protocol.suites.schema import SuiteError
from runner.protocol.suites.suite_files import Target
from runner.tools import set_targets, starts
from tests.support.races import ROOT

FOUND = Target(
  target=1.0, submission='lion', point={}, values=[1.0], tuned={'lion': 1.0}
)
WORSE = {'lower': 1.5, 'higher': 0.5}
EXAM = Options(world=7, submissions=('nadamw',))


def target(spec):
  """A value that the workload's metric can have, and worse ones as well."""
  return 2.0 if spec.metric == 'ppl' else 0.5


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
  """The current folder is empty."""
  monkeypatch.chdir(tmp_path)
  return tmp_path


@pytest.fixture
def quick(monkeypatch):
  """Targets are found without training; return the suites that asked."""
  asked = []

  def found(suite, *_, **__):
    asked.append(suite)
    return {
      name: dataclasses.replace(FOUND, target=target(spec))
      for name, spec in suite.workloads.items()
    }

  def begins(suite, data_dir):
    return {
      name: target(spec) * WORSE[spec.better]
      for name, spec in suite.workloads.items()
    }

  monkeypatch.setattr(set_targets, 'set_all', found)
  monkeypatch.setattr(starts, 'measure', begins)
  return asked


@pytest.mark.parametrize('command', [commands.run, commands.plan])
def test_nothing_is_raced_without_targets_of_its_own(command, here):
  with pytest.raises(SuiteError) as refused:
    command(EXAM)
  told = str(refused.value)
  assert 'timetrial set-targets --suite=mini --world=7 --out=targets_7' in told
  assert str(here / 'mini_world_7.toml') in told
  assert not list(here.iterdir())


def test_another_world_is_not_raced_before_it_has_targets(quick, here):
  path = here / 'other.toml'
  path.write_text('extends = "mini"\nworld = 3\n')
  with pytest.raises(SuiteError, match=f'set-targets --suite={path} '):
    commands.run(Options(suite=str(path), submissions=('nadamw',)))


def test_one_command_sets_the_targets_that_a_race_takes(quick, here, capsys):
  assert preparing.set_targets(EXAM) == 0
  assert all(s.world == 7 for s in quick[0].workloads.values())
  assert all(s.target is None for s in quick[0].workloads.values())
  table = tomllib.loads((here / 'mini_world_7.toml').read_text())
  assert (table['extends'], table['world']) == ('mini', 7)
  row = table['workloads']['ogbg/mini']
  assert row.keys() == {'start', 'target', 'origin'} and row['target'] == 0.5
  assert '--world=7' in row['origin']['command']
  suite = chosen.racing(EXAM)
  assert suite.name == 'mini_world_7'
  assert all(
    (s.world, s.target) == (7, target(s)) for s in suite.workloads.values()
  )
  capsys.readouterr()
  assert commands.plan(EXAM) == 0
  assert ', world 7' in capsys.readouterr().out
  assert rules.load('mini_world_7.toml').workloads == suite.workloads


def test_targets_of_some_workloads_are_for_races_of_these(quick):
  some = ('ogbg/mini', 'mnist/mini')
  preparing.set_targets(Options(world=7, workloads=some))
  assert chosen.racing(Options(world=7, workloads=some))
  with pytest.raises(SuiteError, match=r'--workloads=criteo1tb/mini,fastmri'):
    chosen.racing(EXAM)
  preparing.set_targets(EXAM)
  assert chosen.racing(EXAM)
  table = tomllib.loads(suite_files.world_file('mini', 7).read_text())
  assert table['unscored'].keys() == {'mnist/mini'}


@pytest.mark.parametrize(
  'text', ['extends = "mini"\nworld = 8\n', 'extends = "other"\nworld = 7\n']
)
def test_a_file_of_another_world_or_suite_is_not_taken(here, text):
  (here / 'mini_world_7.toml').write_text(text)
  with pytest.raises(SuiteError, match='world 7 are wanted'):
    chosen.load(EXAM)


def test_workloads_without_worlds_are_refused_by_name():
  with pytest.raises(ValueError, match='digits has no worlds'):
    chosen.chosen_suite(Options(world=7, workloads=('digits',)))
  with pytest.raises(SuiteError, match=r'criteo1tb has no worlds'):
    chosen.load(Options(suite='algoperf_v06', world=7))


def test_a_suite_that_extends_another_has_no_further_worlds():
  with pytest.raises(SuiteError, match=r"world=7: .* Extend 'mini' directly"):
    chosen.load(Options(suite='mini_tuning', world=7))


def test_what_needs_no_target_needs_no_file():
  suite = chosen.ready(EXAM)
  assert all(spec.world == 7 for spec in suite.workloads.values())


def test_targets_of_another_world_go_to_its_own_file(quick, here):
  text = 'extends = "mini"\nworld = 3\n'
  path = here / 'other.toml'
  path.write_text(text)
  one = Options(suite=str(path), workloads=('ogbg/mini',))
  preparing.set_targets(one)
  assert path.read_text().startswith(text)
  table = tomllib.loads(path.read_text())
  assert table['workloads']['ogbg/mini'].keys() == {'start', 'target', 'origin'}
  assert chosen.racing(one).workloads['ogbg/mini'].target == 0.5


@pytest.mark.parametrize(
  ('flags', 'suite'), [([], 'mini_tuning'), (['--suite=mini'], 'mini')]
)
def test_tune_uses_the_suite_that_is_not_scored(flags, suite):
  words = ['tune', '--submissions=nadamw', '--workloads=wmt', *flags]
  done = subprocess.run(
    [sys.executable, ROOT / 'timetrial.py', *words],
    capture_output=True,
    text=True,
    check=False,
  )
  assert f"Suite {suite} has no workload 'wmt'" in done.stderr
