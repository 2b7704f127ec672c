"""Folders of submissions as AlgoPerf's repositories lay them out."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import submissions
from runner.launch import prepare
from runner.tools import source_lint
from submissions.algoperf import asked, folders, import_shims, layout, missing
from tests.support.written import IDLE, MARKS, REST, write

pytestmark = MARKS
SPACE = {'rate': {'min': 0.1, 'max': 1.0, 'scaling': 'uniform'}}
READS = IDLE.replace('return {}', 'return hyperparameters.rate')


def laid(home, files):
  """Files by their places, as texts or as JSON."""
  for place, content in files.items():
    path = home / place
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text)
  return home


def copied(entry, home):
  """The source as a trial has it, whatever its folder was called."""
  home.mkdir()
  prepare._copy(entry.path, home, entry.name)
  folder = home / entry.name
  return folder if folder.is_dir() else home / f'{entry.name}.py'


def placed(entry):
  return list(folders.parts(entry.path))


def algorithm(name):
  """One of upstream's, which imports itself in every manner."""
  return {
    f'algorithms/{name}/{folders.SPACE}': SPACE,
    f'algorithms/{name}/common.py': 'COMMON = object()',
    f'algorithms/{name}/pytorch/submission.py': 'import torch',
    f'algorithms/{name}/jax/steps.py': 'STEP = object()',
    f'algorithms/{name}/jax/submission.py': (
      f'import algorithms.{name}.jax.steps as whole\n'
      f'from algorithms.{name} import common\n'
      f'from algorithms.{name}.common import COMMON\n'
      f'from algorithms.{name}.jax.steps import STEP\n'
      'from .. import common as other\n'
      'from ..common import COMMON as SAME\n'
      'from .steps import STEP as ONE\n'
      'import jax.numpy as jnp\n'
      'assert other is common and COMMON is SAME\n'
      'assert whole.STEP is STEP is ONE\n' + READS
    ),
  }


def test_the_space_and_shared_files_are_one_level_up(tmp_path, monkeypatch):
  laid(tmp_path, algorithm('first') | algorithm('second'))
  monkeypatch.chdir(tmp_path)
  requests = ['first', 'first/jax', 'first/jax/submission.py', 'second/jax']
  found = [submissions.find(f'algorithms/{one}') for one in requests]
  assert [one.name for one in found] == ['first', 'first', 'first', 'second']
  assert all(one.space == SPACE and one.self_point is None for one in found)
  assert found[0] == found[1] == found[2]
  assert found[0].sha256 != found[3].sha256
  assert placed(found[0]) == [
    'common.py',
    'jax/steps.py',
    'jax/submission.py',
    folders.SPACE,
  ]
  assert not missing.find(found[0].path)
  import_shims.load(found[0].path)


def test_a_copy_under_any_name_is_the_same_and_runs_alone(
  tmp_path, monkeypatch
):
  """Whatever upstream has around it, even where that can be imported."""
  home = laid(tmp_path / 'there', algorithm('first'))
  entry = submissions.find(f'theirs={home}/algorithms/first/jax')
  copy = copied(entry, tmp_path / 'copy')
  assert copy.name == 'theirs'
  assert folders.sha256(copy) == entry.sha256
  common = home / 'algorithms' / 'first' / 'common.py'
  common.write_text('raise ImportError("This is not what was copied.")')
  monkeypatch.syspath_prepend(str(home))
  import_shims.load(copy)
  shutil.rmtree(home)
  import_shims.load(copy)
  (copy / 'common.py').write_text('COMMON = 1')
  assert folders.sha256(copy) != entry.sha256


def test_what_lies_above_is_left_alone_unless_it_is_needed(tmp_path):
  """A folder called jax may lie anywhere, as in somebody's home."""
  laid(
    tmp_path,
    {'other.py': 'X = 1', 'data/large': 'x', 'jax/submission.py': IDLE},
  )
  entry = submissions.find(f'theirs={tmp_path / "jax"}')
  assert placed(entry) == ['submission.py']
  (tmp_path / folders.SPACE).write_text(json.dumps(SPACE))
  entry = submissions.find(f'theirs={tmp_path / "jax"}')
  assert placed(entry) == ['jax/submission.py', folders.SPACE]
  assert entry.space == SPACE
  (tmp_path / 'jax' / folders.SPACE).write_text('[{"rate": 1}]')
  entry = submissions.find(f'theirs={tmp_path / "jax"}')
  assert placed(entry) == ['submission.py', folders.SPACE]
  assert entry.space == [{'rate': 1}]


def test_a_space_one_level_up_is_for_who_reads_hyperparameters(tmp_path):
  laid(
    tmp_path,
    {
      f'all/{folders.SPACE}': SPACE,
      'all/tuned/submission.py': READS,
      'all/own/submission.py': IDLE,
      'all/tuned_alone.py': READS,
      'all/own_alone.py': IDLE,
    },
  )
  for name in ('tuned', 'tuned_alone.py'):
    assert submissions.find(str(tmp_path / 'all' / name)).space == SPACE
  for name in ('own', 'own_alone.py'):
    entry = submissions.find(str(tmp_path / 'all' / name))
    assert (entry.self_point, entry.space) == ({}, None)


def test_a_file_takes_along_what_it_imports_beside_it(tmp_path):
  """The layout of upstream's target_setting_algorithms."""
  laid(
    tmp_path,
    {
      'target/jax_lion.py': (
        'from algorithms.target import schedule\n'
        'from algorithms.target.select import data_selection\n'
        'from .select import data_selection as same\n'
        'assert same is data_selection and schedule.X == 1\n'
        + IDLE.replace('def data_selection', 'def other_selection')
      ),
      'target/select.py': 'from . import deeper\ndef data_selection(): ...',
      'target/deeper.py': '',
      'target/schedule.py': 'X = 1',
      'target/unused.py': 'raise ValueError',
    },
  )
  entry = submissions.find(str(tmp_path / 'target' / 'jax_lion.py'))
  assert entry.name == 'jax_lion'
  assert placed(entry) == [
    'deeper.py',
    'schedule.py',
    'select.py',
    'submission.py',
  ]
  assert not missing.find(entry.path)
  copy = copied(entry, tmp_path / 'copy')
  assert folders.sha256(copy) == entry.sha256
  shutil.rmtree(tmp_path / 'target')
  import_shims.load(copy)


def test_a_folder_called_as_one_of_ours_imports_itself(tmp_path):
  """Below a folder called submissions, as the leaderboard's repository has."""
  home = laid(
    tmp_path,
    {
      'submissions/self_tuning/lion/submission.py': (
        'from submissions.self_tuning.lion import inner\n'
        'from submissions.algorithms.lion import inner as short\n'
        'from submissions.self_tuning.lion.inner import X\n'
        'from .inner import X as Y\n'
        'assert inner is short and X is Y\n' + IDLE
      ),
      'submissions/self_tuning/lion/inner.py': 'X = object()',
    },
  )
  path = home / 'submissions' / 'self_tuning' / 'lion'
  with pytest.raises(submissions.SubmissionError, match=f'NAME={path}'):
    submissions.find(str(path))
  entry = submissions.find(f'theirs={path}')
  assert entry.name == 'theirs' and not missing.find(entry.path)
  import_shims.load(copied(entry, tmp_path / 'copy'))
  assert submissions.find('lion').path.name == 'lion.py'


def test_other_submissions_do_not_count_as_its_own(tmp_path, monkeypatch):
  """They are not taken along, even where they can be imported from here."""
  laid(
    tmp_path,
    {
      'algorithms/one/jax/submission.py': (
        'import helper, gone_package\n'
        'from algorithms.two.jax.submission import X\n'
        'from ...two.jax.submission import Y\n'
        'from . import gone_file\n'
        'from .helper import Z\n'
        'from ..one import nothing\n' + IDLE
      ),
      'algorithms/one/jax/helper.py': 'Z = 1',
      'algorithms/two/jax/submission.py': 'X = Y = 1',
    },
  )
  monkeypatch.syspath_prepend(str(tmp_path))
  entry = submissions.find(str(tmp_path / 'algorithms' / 'one'))
  assert placed(entry) == ['helper.py', 'submission.py']
  said = {(one.line, one.text.split()[0]) for one in missing.find(entry.path)}
  assert said == {
    (1, 'gone_package'),
    (2, 'algorithms.two.jax.submission'),
    (3, '...two.jax.submission'),
    (4, '.gone_file'),
    (6, '..one'),
  }


def test_packages_and_their_first_lines_are_run(tmp_path):
  laid(
    tmp_path / 'one',
    {
      '__init__.py': 'RATE = 0.5',
      'inner/__init__.py': 'from .. import RATE\nINNER = RATE',
      'submission.py': (
        'from . import RATE\nfrom .inner import INNER\n'
        'assert RATE is INNER\n' + IDLE
      ),
    },
  )
  import_shims.load(tmp_path / 'one')


def test_modules_of_one_submission_are_not_those_of_the_next(tmp_path):
  for name in ('one', 'two'):
    write(tmp_path / name, f'from old.place.{name}.it import X\n' + IDLE)
    (tmp_path / name / 'it.py').write_text(f'X = {name!r}')
    module, _ = import_shims.load(tmp_path / name)
    assert name == module.X
  again, _ = import_shims.load(tmp_path / 'two')
  assert again is not module
  assert 'old.place.one' not in sys.modules


def test_installed_libraries_come_before_files_of_their_names(tmp_path):
  text = 'from collections import abc\nimport os.path\nimport types\n'
  folder = write(tmp_path / 'one', text + IDLE)
  for name in ('abc', 'path', 'types'):
    (folder / f'{name}.py').write_text('raise ValueError')
  module, _ = import_shims.load(folder)
  assert module.abc.Mapping and module.types.ModuleType


@pytest.mark.parametrize('marked', [True, False])
def test_commands_run_where_upstream_lies(marked, tmp_path):
  """A folder called submissions in its checkout hid ours from Python."""
  place = 'submissions/self_tuning/lion/submission.py'
  laid(
    tmp_path,
    {place: IDLE} | ({'submissions/__init__.py': ''} if marked else {}),
  )
  root = pathlib.Path(submissions.__file__).parents[1]
  done = subprocess.run(
    [
      sys.executable, '-m', 'runner', 'plan', '--suite=mini', '--json',
      '--submissions=theirs=submissions/self_tuning/lion,lion',
    ],
    cwd=tmp_path, env=os.environ | {'PYTHONPATH': str(root)},
    capture_output=True, text=True, check=True,
  )  # fmt: skip
  sources = json.loads(done.stdout)['sources']
  assert sources['theirs']['path'] == str(tmp_path / place.rpartition('/')[0])
  assert sources['lion']['path'] == 'submissions/algorithms/lion.py'


@pytest.mark.parametrize(
  'request_',
  ['theirs=one', 'theirs=one/submission.py', 'theirs=./one', 'the.irs-2=one'],
)
def test_a_request_may_give_a_name(request_, tmp_path, monkeypatch):
  write(tmp_path / 'one', IDLE)
  monkeypatch.chdir(tmp_path)
  entry = submissions.find(request_)
  assert entry.name == request_.partition('=')[0]
  assert entry._replace(name='one') == submissions.find('one/')


def test_names_may_be_given_to_ours_and_to_points():
  assert submissions.find('mine=lion') == submissions.find('lion')._replace(
    name='mine'
  )
  entry = submissions.find('mine=adamw@rex')
  assert entry == submissions.find('adamw@rex')._replace(name='mine')
  assert submissions.find('lion=lion') == submissions.find('lion')


def test_paths_may_have_any_signs(tmp_path):
  home = tmp_path / 'a=b@c'
  write(home.parent, IDLE).joinpath('submission.py').unlink()
  home.mkdir()
  write(home / 'x=y@z', IDLE)
  assert submissions.find(str(home / 'x=y@z')).name == 'x=y@z'
  assert submissions.find(f'n={home / "x=y@z"}').name == 'n'


@pytest.mark.parametrize(
  ('given', 'message'),
  [
    ('lion=one', "'lion' is a submission of TimeTrial"),
    ('all=one', "can be called 'all'"),
    ('..=one', "can be called '..'"),
    ('=one', 'No submission'),
    ('theirs=', 'No submission'),
    ('theirs=nothing/here', 'No submission'),
    ('theirs=nothing.py', "No file 'nothing.py'"),
  ],
)
def test_names_that_cannot_be_given_are_refused(
  given, message, tmp_path, monkeypatch
):
  write(tmp_path / 'one', IDLE)
  monkeypatch.chdir(tmp_path)
  with pytest.raises(submissions.SubmissionError, match=message):
    submissions.find(given)


def test_of_several_submissions_one_is_to_be_named(tmp_path):
  laid(tmp_path, {'a/submission.py': IDLE, 'b/jax/submission.py': IDLE})
  with pytest.raises(submissions.SubmissionError, match=r'several.*b/jax'):
    submissions.find(str(tmp_path))
  shutil.rmtree(tmp_path / 'b')
  assert submissions.find(str(tmp_path)).name == 'a'


def test_dots_in_the_name_of_a_folder_stay(tmp_path):
  names = ['adam.v1', 'adam.v2']
  found = [submissions.find(str(write(tmp_path / n, IDLE))) for n in names]
  assert [entry.name for entry in found] == names


UNSURE = [
  'x = hyperparameters.rate if hasattr(hyperparameters, "rate") else 1',
  'x = getattr(hyperparameters, "rate", 1)',
  'x = 0 if hyperparameters is None else hyperparameters.rate',
  'if hyperparameters: return hyperparameters.rate',
  'if hyperparameters is None: return {}\n  x = hyperparameters.rate',
  'if workload.step_hint > 3: x = hyperparameters.rate',
  'hyperparameters = POINT\n  x = hyperparameters.rate',
  'x = lambda: hyperparameters.rate',
  'try: x = hyperparameters.rate\n  except AttributeError: pass',
  'x = helper(POINT)',
  'x = workload and hyperparameters.rate',
  'del hyperparameters',
]
SURE = [
  'x = hyperparameters.rate',
  'x = 1 - hyperparameters.rate * 2',
  'x = helper(hyperparameters)',
  'x = helper(hyperparameters=hyperparameters)',
  'if hyperparameters.rate > 1: pass',
  'for x in range(int(hyperparameters.rate)): pass',
  'def inner(n, hyperparameters):\n    return hyperparameters.rate\n'
  '  x = inner(1, hyperparameters)',
  'with open(hyperparameters.rate): pass',
]
HELPER = """
POINT = {}
def helper(hyperparameters):
  return deeper(hyperparameters)
def deeper(point):
  return point.rate
"""


def asking(folder, line, space=None):
  text = IDLE.replace('return {}', f'{line}\n  return {{}}') + HELPER
  return write(folder, text, space)


@pytest.mark.parametrize('line', SURE)
def test_where_hyperparameters_are_missing_is_said(line, tmp_path):
  folder = asking(tmp_path / 'one', line)
  with pytest.raises(
    submissions.SubmissionError,
    match=r'submission\.py, line \d+: it reads hyperparameters\.rate.* no '
    'tuning_search_space.json beside it or one folder up',
  ):
    submissions.find(str(folder))
  (folder / folders.SPACE).write_text('{"other": {"feasible_points": [1]}}')
  with pytest.raises(submissions.SubmissionError, match='does not have'):
    submissions.find(str(folder))
  (folder / folders.SPACE).write_text('[{"rate": 1}, {"rate": 2}]')
  assert submissions.find(str(folder)).space


@pytest.mark.parametrize('line', UNSURE)
def test_what_may_do_without_hyperparameters_is_not_refused(line, tmp_path):
  entry = submissions.find(str(asking(tmp_path / 'one', line)))
  assert entry.self_point == {}


def test_hyperparameters_are_known_by_their_place_as_well(tmp_path):
  text = IDLE.replace('hyperparameters, rng', 'hps, rng').replace(
    'return {}', 'return hps.rate'
  )
  folder = write(tmp_path / 'one', text)
  assert asked.names(folder / 'submission.py') == {'rate'}
  plain = REST.replace('*rest', '*rest, hyperparameters=None')
  assert not asked.names(write(tmp_path / 'two', plain) / 'submission.py')


def test_files_that_are_no_python_are_named(tmp_path):
  folder = write(tmp_path / 'one', 'from . import inner\n' + IDLE)
  (folder / 'inner.py').write_text('print "old"')
  (folder / 'unused.py').write_text('print "older"')
  [one] = missing.find(folder)
  assert (one.file, one.line) == ('inner.py', 0)
  assert 'inner.py, line 1' in one.text
  named = {one.file for one in source_lint.look(folder)}
  assert named == {'inner.py', 'unused.py'}


def test_the_layout_of_a_lone_file_is_its_folder():
  path = pathlib.Path('somewhere/alone.py')
  assert layout.layout(path) == (path.parent, path)
