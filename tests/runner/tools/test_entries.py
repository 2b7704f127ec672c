"""Entries of a results folder: edited, grown and taken out."""

import dataclasses
import os
import subprocess
import sys

import pytest

from runner import commands, planning
from runner.launch import prepare
from runner.machine import hardware
from runner.options import Options
from runner.protocol import layout, merge_plans, results_folder, storage
from runner.protocol.plan import Speed
from runner.protocol.suites import suite
from runner.tools import forget
from scoring import verify
from scoring.load import results as read
from tests.support import made_results, races

SPEEDS = {'digits': Speed(600.0, 0.0)}
SPACED = """
def build(task, *, rate): ...
SELF = {'rate': 0.5}
SPACE = {'rate': {'min': 0.1, 'max': 1.0, 'scaling': 'linear'}}
"""


def planned(home, *names, studies=1, ruleset='self'):
  """A plan for files that are made here, if they are not there yet."""
  for name in names:
    path = home / f'{name}.py'
    if not path.exists():
      path.write_text(SPACED, encoding='utf-8')
  loaded = suite.load(str(races.suite(home, trials=2)))
  rulesets = {
    name: dataclasses.replace(one, studies=studies)
    for name, one in loaded.rulesets.items()
  }
  return planning.make(
    dataclasses.replace(loaded, rulesets=rulesets),
    ruleset,
    [str(home / f'{name}.py') for name in names],
    hardware.describe(),
    SPEEDS,
  )


def add(home, *names, grows=True, **options):
  """Add a plan to the folder; return the stored plan."""
  with results_folder.opened(
    home / 'out', planned(home, *names, **options), grows=grows
  ) as whole:
    return whole


def ran(home, trial, outcome='ended'):
  """Has a trial begun and ended."""
  table = results_folder.stored(home / 'out')
  folder = prepare.prepare(home / 'out', table, trial)
  facts = dict(reason='', step=1, seconds=1.0, accounts={}, again=False)
  layout.event(folder, 'start', 0)
  layout.event(folder, 'end', 0, outcome=outcome, **facts)
  return folder


def ids(table, name):
  return [t.id for t in table.of(name)]


def edit(home, name):
  path = home / f'{name}.py'
  path.write_text(path.read_text(encoding='utf-8') + '# Edited.\n')


def test_a_submission_that_was_edited_before_it_ran_is_planned_anew(tmp_path):
  """It once had to be renamed, although nothing of it had run."""
  before = add(tmp_path, 'mine', 'other')
  [trial] = before.of('mine')
  prepared = prepare.prepare(tmp_path / 'out', before, trial)
  edit(tmp_path, 'mine')
  after = add(tmp_path, 'mine')
  assert ids(after, 'mine') != ids(before, 'mine')
  assert len(ids(after, 'mine')) == 1
  assert ids(after, 'other') == ids(before, 'other')
  assert after == results_folder.stored(tmp_path / 'out')
  assert verify.verify(read.read(tmp_path / 'out')) == []
  [trial] = after.of('mine')
  again = prepare.prepare(tmp_path / 'out', after, trial)
  assert again == prepared
  assert 'Edited' in (again / 'mine.py').read_text(encoding='utf-8')
  assert storage.read_json(again / layout.TRIAL)['id'] == trial.id


@pytest.mark.parametrize('outcome', ['ended', 'crashed', None])
def test_one_that_has_run_stays_as_it_was(tmp_path, outcome):
  [trial] = add(tmp_path, 'mine').trials
  folder = ran(tmp_path, trial, outcome or 'ended')
  if outcome is None:  # It is running, or was killed.
    lines = (folder / layout.ATTEMPTS).read_bytes().splitlines(keepends=True)
    (folder / layout.ATTEMPTS).write_bytes(lines[0])
  before = (tmp_path / 'out' / layout.PLAN).read_bytes()
  edit(tmp_path, 'mine')
  with pytest.raises(merge_plans.ResultsError, match='some have run') as error:
    add(tmp_path, 'mine')
  assert 'timetrial forget --submissions=mine' in str(error.value)
  assert (tmp_path / 'out' / layout.PLAN).read_bytes() == before


@pytest.mark.parametrize('ruleset', ['self', 'external'])
def test_more_studies_are_added_to_those_that_are_there(tmp_path, ruleset):
  """The folder was once refused, as of other rules."""
  before = add(tmp_path, 'mine', 'other', ruleset=ruleset)
  after = add(tmp_path, 'mine', 'other', ruleset=ruleset, studies=3)
  count = len(before.trials)
  assert after.trials[:count] == before.trials
  assert len(after.trials) == 3 * count
  assert after.studies == 3
  # The folder is as if it had been planned so from the beginning.
  whole = planned(tmp_path, 'mine', 'other', ruleset=ruleset, studies=3)
  assert sorted(t.id for t in after.trials) == sorted(
    t.id for t in whole.trials
  )
  assert after.hash == whole.hash and after.suite == whole.suite
  assert add(tmp_path, 'mine', studies=3, ruleset=ruleset) == after


def test_studies_are_added_only_if_asked_for_and_to_all(tmp_path):
  add(tmp_path, 'mine', 'other', studies=2)
  before = (tmp_path / 'out' / layout.PLAN).read_bytes()
  for names, options, words in [
    (
      ['mine', 'other'],
      dict(studies=3, grows=False),
      'Use --studies=2 to keep',
    ),
    (['mine', 'other'], dict(studies=1), 'has 2 studies of every cell'),
    (['mine'], dict(studies=3), 'Add other to --submissions'),
  ]:
    with pytest.raises(merge_plans.ResultsError, match=words):
      add(tmp_path, *names, **options)
  assert (tmp_path / 'out' / layout.PLAN).read_bytes() == before


def test_the_flag_asks_for_them(tmp_path, monkeypatch):
  races.suite(tmp_path)
  (tmp_path / 'mine.py').write_text(SPACED)
  asked = []

  def run(out, plan, options, *, grows, **rest):
    asked.append(grows)
    return plan

  monkeypatch.setattr(commands.race, 'run', run)
  for studies in (None, 3):
    commands.run(
      Options(
        suite=str(tmp_path / 'tiny.toml'),
        submissions=(str(tmp_path / 'mine.py'),),
        studies=studies,
        out=tmp_path / 'out',
        hardware_dir=tmp_path / 'hardware',
        preflight=False,
      )
    )
  assert asked == [False, True]


def test_what_is_forgotten_is_kept_aside_and_told(tmp_path):
  table = add(tmp_path, 'mine', 'other', studies=2)
  mine = [dataclasses.asdict(t) for t in table.of('mine')]
  for trial in table.trials[:1] + table.trials[-1:]:
    ran(tmp_path, trial)
  out = tmp_path / 'out'
  [found] = forget.forget(out, [str(tmp_path / 'mine.py')])
  assert found == ('mine', 1, out / '.forgotten' / 'mine_1')
  assert (found.folder / 'study_0' / 'digits_jax' / 'trial_1').is_dir()
  facts = storage.read_json(found.folder / forget.FACTS)
  assert facts['trials'] == mine and facts['source'] == dataclasses.asdict(
    table.sources['mine']
  )
  assert not (out / 'mine').exists()
  left = results_folder.stored(out)
  assert {t.submission for t in left.trials} == {'other'}
  assert 'mine' not in left.sources
  notes = [one for one in verify.verify(read.read(out)) if not one.doubt]
  [told] = [one for one in notes if 'mine' in one.text]
  assert told.path == '.forgotten/mine_1'
  assert '1 of its trials had run' in told.text

  # It may come again, edited as well, and go again.
  edit(tmp_path, 'mine')
  again = add(tmp_path, 'mine', studies=2)
  assert len(ids(again, 'mine')) == 2 and not set(ids(again, 'mine')) & {
    t['id'] for t in mine
  }
  [second] = forget.forget(out, ['mine'])
  assert second == ('mine', 0, out / '.forgotten' / 'mine_2')
  assert len(results_folder.stored(out).forgotten) == 2
  assert (found.folder / 'study_0').is_dir()
  add(tmp_path, 'third', studies=2)
  assert len(results_folder.stored(out).forgotten) == 2


def test_all_may_be_forgotten(tmp_path):
  add(tmp_path, 'mine')
  forget.forget(tmp_path / 'out', ['mine'])
  assert results_folder.stored(tmp_path / 'out').trials == ()
  assert len(add(tmp_path, 'other').trials) == 1


@pytest.mark.parametrize(
  'command', [commands.status, commands.verify_again, commands.forget]
)
def test_a_folder_without_results_is_refused_in_the_same_words(
  tmp_path, command
):
  out = tmp_path / 'nowhere'
  with pytest.raises(merge_plans.ResultsError) as error:
    command(Options(out=out, submissions=('sgd',)))
  assert str(error.value) == (
    f'No results in {out}. Give the folder of a race with --out=FOLDER, or '
    f'make one: timetrial run --out={out} ...'
  )


def test_what_is_not_there_or_runs_now_is_not_forgotten(tmp_path):
  table = add(tmp_path, 'mine')
  out = tmp_path / 'out'
  before = (out / layout.PLAN).read_bytes()
  with pytest.raises(merge_plans.ResultsError, match="Did you mean 'mine'"):
    forget.forget(out, ['mime'])
  with pytest.raises(merge_plans.ResultsError, match='No results in'):
    forget.forget(tmp_path / 'nowhere', ['mine'])
  assert not (tmp_path / 'nowhere').exists()
  folder = prepare.prepare(out, table, table.trials[0])
  with (
    results_folder.held(folder),
    pytest.raises(merge_plans.ResultsError, match='is being run now'),
  ):
    forget.forget(out, ['mine'])
  with (
    results_folder.locked(out),
    pytest.raises(merge_plans.ResultsError, match='Another runner'),
  ):
    forget.forget(out, ['mine'])
  assert (out / layout.PLAN).read_bytes() == before
  done = races.run(tmp_path, 'forget', out=out, submissions='mine')
  assert done.returncode == 0, done.stderr
  assert (
    'mine was removed from' in done.stdout
    and '.forgotten/mine_1' in done.stdout
  )
  assert races.run(tmp_path, 'forget', out=out).returncode == 2


@pytest.mark.parametrize('name', [layout.PLAN, results_folder.LOCK])
@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_waited_for(tmp_path, name, make):
  """A pipe in the place of a plan or a lock held `forget` and `run` up."""
  out = made_results.race(tmp_path / 'out')
  (out / name).unlink(missing_ok=True)
  make(out / name)
  for words in (['status'], ['forget', '--submissions=lion']):
    done = subprocess.run(
      [sys.executable, '-m', 'runner', *words, f'--out={out}'],
      cwd=races.ROOT,
      capture_output=True,
      text=True,
      timeout=60,
      check=False,
    )
    assert 'Traceback' not in done.stderr
    if name == layout.PLAN:
      assert (
        done.returncode == 2
        and 'plan.json is not a regular file' in done.stderr
      )
    else:
      assert done.returncode == 0
