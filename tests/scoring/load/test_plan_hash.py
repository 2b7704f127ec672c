"""Every rule that a board hangs on is in its plan's hash, and known by name.

A cutoff that was edited in plan.json lifted a score from 0 to 0.97, and
`verify` saw nothing.
"""

import dataclasses
import json
import pathlib
import tarfile

import pytest

from runner import planning
from runner.protocol import layout, plan_file, results_folder, storage
from runner.protocol.suites import suite as rules
from scoring import verify
from scoring.load import results as read
from scoring.rank import board
from tests.runner.protocol.test_plan import MACHINE, SPEEDS
from tests.scoring.load import test_verify
from tests.support import made_results

BOARDS = pathlib.Path(__file__).parents[3] / 'docs' / 'leaderboard'
OLD = 'was made before plans had a hash of every rule'


@pytest.fixture
def folder(tmp_path):
  return test_verify.left_behind(tmp_path / 'results', ['lion'], studies=1)


def plan_of(out):
  return json.loads((out / layout.PLAN).read_text())


def leaves(table, top=()):
  for key, value in table.items():
    if isinstance(value, dict) and value:
      yield from leaves(value, (*top, key))
    else:
      yield (*top, key)


def changed(table, path, change):
  inner = table
  for key in path[:-1]:
    inner = inner.setdefault(key, {})
  inner[path[-1]] = change(inner.get(path[-1]))
  return table


def other(value):
  """Another value of the same kind."""
  match value:
    case None:
      return 'evaluation'
    case list():
      return [*value, 'no_dropout']
    case str():
      return f'{value}x'
  return value * 1.5


def resealed(table):
  """A plan with the hashes of what it says now."""
  return plan_file.dump(plan_file.sealed(plan_file.parse(table, 'x')))


def told(out):
  """What is doubted of the plan itself."""
  found = verify.verify(read.read(out))
  return [one.text for one in found if one.doubt and one.path == layout.PLAN]


def sealed_leaves():
  suite = rules.load('mini')
  table = plan_file.dump(
    planning.make(suite, 'self', ['lion'], MACHINE, SPEEDS)
  )
  rows = suite.workloads.keys() - {'criteo1tb/mini'}
  return [
    path
    for part in ('rules', 'hardware', 'seconds')
    for path in leaves({part: table[part]})
    if not rows & {*path}
  ]


INTERPRETATIONS = [('rules', 'scoring', name) for name in rules.INTERPRETATIONS]


@pytest.mark.parametrize(
  'path', sealed_leaves() + INTERPRETATIONS, ids='.'.join
)
def test_whichever_rule_is_changed_verify_says_which(folder, path):
  table = changed(plan_of(folder), path, other)
  (folder / layout.PLAN).write_text(json.dumps(table))
  try:
    doubts = told(folder)
  except (rules.SuiteError, read.ReadError) as error:
    # No value that the rule can have.
    assert path[-1] in str(error) or path[-2] in str(error)
  else:
    assert [text for text in doubts if text.startswith('.'.join(path))]
    before = plan_of(folder)['hash']
    assert resealed(table)['hash'] != before
  # And nothing is added to it.
  suite = rules.load('mini')
  more = planning.make(suite, 'self', ['sgd'], MACHINE, SPEEDS)
  with (
    pytest.raises(results_folder.ResultsError, match=f'{path[-1]}|{path[-2]}'),
    results_folder.opened(folder, more),
  ):
    pass


def test_a_rule_that_was_taken_out_is_named(folder):
  table = plan_of(folder)
  del table['rules']['workloads']['criteo1tb/mini']['evaluations']
  table['rules']['workloads']['criteo1tb/mini'] |= {
    'seconds': 10.0,
    'eval_seconds': 1.0,
  }
  (folder / layout.PLAN).write_text(json.dumps(table))
  doubts = ' '.join(told(folder))
  assert 'evaluations was planned, and is not there any more' in doubts
  assert 'criteo1tb/mini.seconds = 10.0 is not what was planned' in doubts


def lifted(out):
  """Edits the cutoff of a plan whose `slow` has 3.9 times the fastest time."""
  text = (out / layout.PLAN).read_text()
  assert '"cutoff": 4.0' in text
  (out / layout.PLAN).write_text(
    text.replace('"cutoff": 4.0', '"cutoff": 99.0')
  )


def raced(out):
  """A race of two that both reached the target, one 3.9 times as late."""
  test_verify.left_behind(out, ['lion', 'sgd'], studies=1)
  table = plan_of(out)
  table['seconds'] = {'criteo1tb/mini': 20.0}
  (out / layout.PLAN).write_text(json.dumps(resealed(table)))
  for path in out.glob('*/*/*/*/trial.json'):
    test_verify.change(path, lambda facts: facts.update(budget_seconds=20.0))
  for name, second in (('lion', 4.0), ('sgd', 15.6)):
    [place] = out.glob(f'{name}/*/*/trial_1')
    values = [(second / 2, 0.9), (second, 0.4)]
    made_results._write_evals(place / layout.EVALS, values, 'loss')
    made_results._write_attempts(place / layout.ATTEMPTS, second, 'reached', '')
  return out


def slow(out):
  found = {s.submission: s.score for s in board.make(read.read(out)).standings}
  return found['sgd']


def test_an_edited_cutoff_lifts_a_score_and_is_told_everywhere(tmp_path):
  out = raced(tmp_path / 'results')
  assert slow(out) < 0.04 and not told(out)
  lifted(out)
  assert slow(out) > 0.96
  told_there = [text for text in told(out) if 'rules.cutoff = 99.0' in text]
  assert len(told_there) == 1
  results_here = read.read(out)
  assert any('rules.cutoff' in p.reason for p in results_here.problems)


@pytest.mark.parametrize('without', [False, True])
def test_trials_know_the_rules_that_they_ran_under(tmp_path, without):
  """Whoever makes the plan's hashes anew, or removes them, does not hide it."""
  out = raced(tmp_path / 'results')
  lifted(out)
  table = plan_of(out)
  if without:
    del table['hashes']
  (out / layout.PLAN).write_text(json.dumps(resealed(table)))
  assert not told(out)
  doubts = [f for f in verify.verify(read.read(out)) if f.doubt]
  assert {f.text for f in doubts} == {
    'The trial ran under another rules.cutoff than plan.json has now.'
  }
  assert len(doubts) == 2


def test_a_plan_to_which_submissions_are_added_is_sound(tmp_path):
  out = tmp_path / 'results'
  suite = rules.load('mini')
  for names in (['lion'], ['lion', 'sgd'], ['adamw']):
    made = planning.make(suite, 'self', names, MACHINE, SPEEDS)
    with results_folder.opened(out, made) as plan:
      assert plan_file.dump(plan) == plan_of(out)
      assert plan == plan_file.sealed(plan)
  assert not plan_file.changes(plan)
  assert {t.submission for t in plan.trials} == {'lion', 'sgd', 'adamw'}
  # Studies and trials may become more, and budgets of workloads be measured.
  rulesets = {
    name: dataclasses.replace(one, studies=one.studies + 1)
    for name, one in plan.suite.rulesets.items()
  }
  grown = dataclasses.replace(
    plan, suite=dataclasses.replace(plan.suite, rulesets=rulesets)
  )
  assert plan_file.common_hashes(grown) == plan_file.common_hashes(plan)


def test_a_runner_adds_nothing_to_a_plan_that_was_changed(tmp_path):
  out = tmp_path / 'results'
  made = planning.make(rules.load('mini'), 'self', ['lion'], MACHINE, SPEEDS)
  with results_folder.opened(out, made):
    pass
  table = plan_of(out)
  table['seconds']['wmt/mini'] *= 1.2
  storage.write_json(out / layout.PLAN, table)
  more = planning.make(rules.load('mini'), 'self', ['sgd'], MACHINE, SPEEDS)
  with (
    pytest.raises(results_folder.ResultsError, match=r'seconds\.wmt/mini = '),
    results_folder.opened(out, more),
  ):
    pass
  assert plan_of(out) == table


def older(table):
  """As plans were before they had hashes of rules."""
  del table['hashes']
  return resealed(table)


def test_a_plan_without_hashes_verifies_and_says_what_it_lacks(folder):
  (folder / layout.PLAN).write_text(json.dumps(older(plan_of(folder))))
  [note] = verify.verify(read.read(folder))
  assert not note.doubt and OLD in note.text
  table = plan_of(folder)
  table['trials'].pop()
  (folder / layout.PLAN).write_text(json.dumps(table))
  with pytest.raises(read.ReadError):
    read.read(folder)
  plan = plan_file.parse(table, 'x')
  assert any(f.doubt for f in verify._checked_plan(plan))


def test_an_older_plan_stays_one_when_more_is_planned(tmp_path):
  """Nobody knows what was changed before, and so verify goes on to say so."""
  out = tmp_path / 'results'
  suite = rules.load('mini')
  for names in (['lion'], ['sgd']):
    made = planning.make(suite, 'self', names, MACHINE, SPEEDS)
    with results_folder.opened(out, made):
      pass
    storage.write_json(out / layout.PLAN, older(plan_of(out) | {'hashes': {}}))
  assert 'hashes' not in plan_of(out)
  made = planning.make(suite, 'self', ['adamw'], MACHINE, SPEEDS)
  with results_folder.opened(out, made) as plan:
    assert plan.hashes is None
  found = list(verify._checked_plan(plan))
  assert [f.doubt for f in found] == [False] and OLD in found[0].text


def committed(name):
  """Return the table of a committed board's plan."""
  with tarfile.open(BOARDS / name / 'results.tar.xz') as archive:
    return json.load(archive.extractfile(f'./{layout.PLAN}'))


@pytest.mark.parametrize('name', sorted(p.name for p in BOARDS.iterdir()))
def test_a_committed_board_names_no_folder_of_the_machine_it_ran_on(name):
  sources = plan_file.parse(committed(name), 'x').sources.values()
  paths = [pathlib.PurePath(source.path) for source in sources]
  assert paths and not any(path.is_absolute() for path in paths)


@pytest.mark.parametrize('name', ['self', 'external'])
def test_committed_boards_verify_as_before(name):
  table = committed(name)
  plan = plan_file.parse(table, 'x')
  assert plan_file.dump(plan) == table
  assert plan_file.changes(plan) == []
  found = list(verify._checked_plan(plan))
  assert [f.doubt for f in found] == [False] and OLD in found[0].text
