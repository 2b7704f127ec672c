"""Explanations of exceptions, and of what build takes and returns."""

import pathlib

import pytest

import submissions
from runner.tools import explain, missing_packages
from submissions.submission import Task
from tests.support.tiny import tiny

COPY = pathlib.Path('/tmp/x/mine/study_0/digits_jax/trial_1')
TRACE = f'''Traceback (most recent call last):
  File "/usr/runner/process.py", line 80, in main
    _train(folder)
  File "{COPY}/mine.py", line 12, in build
    step(3)
    ^^^^^^^
  File "{COPY}/mine.py", line 7, in step
    return np.sqrt(x)
           ^^^^^^^^^^
  File "/usr/site-packages/jax/core.py", line 3, in __array__
    raise TracerArrayConversionError(self)
jax.errors.TracerArrayConversionError: called on traced array
'''
HEAD = (
  'import jax, jax.numpy as jnp, optax\n'
  'from submissions.submission import Submission, from_optax\n'
)


def test_the_last_line_of_the_submission_is_found():
  found = explain.place(TRACE, COPY / 'mine.py')
  assert found == ('mine.py', 7, 'step', 'return np.sqrt(x)')
  assert str(found) == 'mine.py, line 7, in step: `return np.sqrt(x)`'
  assert explain.place(TRACE, COPY / 'others.py') is None
  assert explain.place('', COPY / 'mine.py') is None


def test_files_of_a_folder_are_called_as_their_author_does():
  trace = TRACE.replace('mine.py', 'theirs/jax/inner.py').replace(
    'in step', 'in <module>'
  )
  found = explain.place(trace, COPY / 'theirs')
  assert str(found) == 'jax/inner.py, line 7: `return np.sqrt(x)`'


def test_there_is_advice_for_what_jax_raises():
  for reason in (
    'TracerArrayConversionError: The numpy.ndarray conversion',
    'jax.errors.TracerArrayConversionError: The numpy',
  ):
    assert 'use jax.numpy (jnp)' in explain.advice(reason)
  assert explain.advice('RuntimeError: TracerArrayConversionError') == ''


def made(tmp_path, text, **point):
  path = tmp_path / 'mine.py'
  path.write_text(HEAD + text)
  return submissions.make(path, Task(tiny('digits'), 40, 8, 100), point)


@pytest.mark.parametrize(
  ('body', 'message'),
  [
    ('  from_optax(task, optax.sgd(0.1))', 'line 3: build returned nothing'),
    ('  x = 1\n  return optax.sgd(0.1)', 'line 5: .* transformation of optax'),
    (
      '  return optax.chain(optax.sgd(0.1))',
      r'line 4: .*\(GradientTransformationExtraArgs\), .*from_optax\(task',
    ),
    ('  return (None, None)', 'line 4: build returned a tuple'),
    ('  yield 1', 'line 3: build returned a generator'),
    ('  def f(): return 1\n  return f', 'line 5: build returned a function'),
  ],
)
def test_what_build_returns_is_said(body, message, tmp_path):
  with pytest.raises(
    submissions.SubmissionError, match=rf'mine\.py, {message}'
  ):
    made(tmp_path, f'def build(task):\n{body}\nSELF = {{}}\n')


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ('task, rate', r'takes rate by position.*`def build\(task, \*, rate\)`'),
    ('t, a, b=1, *, c', r'takes a, b .*`def build\(t, \*, a, b, c\)`'),
    ('task, rate, /', 'takes rate by position'),
    ('task, *points', r'takes \*points by position'),
    ('', 'has no first argument'),
    ('*, task, rate', 'has no first argument'),
  ],
)
def test_hyperparameters_by_position_are_refused(arguments, message, tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(f'{HEAD}def build({arguments}): ...\nSELF = {{"rate": 1}}\n')
  with pytest.raises(
    submissions.SubmissionError, match=rf'mine\.py, line 3: build {message}'
  ):
    submissions.find(str(path))


@pytest.mark.parametrize(
  ('literals', 'name', 'line'),
  [
    ("SELF = {'rate': '0.1'}", 'SELF', 1),
    ("SELF = {\n  'rate':\n  ' 1e-3 '}", 'SELF', 3),
    ("SPACE = {'rate': {'feasible_points': [1, '.5']}}", 'SPACE', 1),
    ("SPACE = [\n{'rate': '-2'}]", 'SPACE', 2),
    ("POINTS = {'a': {'rate': '+3.'}}", 'POINTS', 1),
  ],
)
def test_numbers_written_as_texts_are_refused(literals, name, line, tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(f'{literals}\ndef build(task, *, rate): ...\n')
  with pytest.raises(
    submissions.SubmissionError,
    match=rf'mine\.py, line {line}: {name} has the text .* the number',
  ):
    submissions.find(str(path))


def test_texts_that_are_no_numbers_are_left_alone(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(
    "SELF = {'kind': 'cosine', 'name': 'inf', 'of': '3 steps', '0.1': 1}\n"
    'def build(task, **rest): ...\n'
  )
  entry = submissions.find(str(path))
  [said] = explain.texts(entry, {'kind': 'cosine', 'x': 1}, 'TypeError: bad')
  assert said == (
    "Hyperparameter kind is the text 'cosine' (mine.py, line 1): should it be "
    'a number?'
  )
  assert not explain.texts(entry, {'kind': 'cosine'}, 'KeyError: bad')


def test_classes_of_a_file_find_their_module(tmp_path):
  """Dataclasses look for it, where annotations are texts."""
  text = (
    'from __future__ import annotations\n'
    'import dataclasses, typing\n'
    'from submissions.submission import from_optax\nimport optax\n'
    '@dataclasses.dataclass\nclass Of:\n  x: typing.ClassVar[int] = 1\n'
    'def build(task):\n  return from_optax(task, optax.sgd(Of.x))\n'
  )
  path = tmp_path / 'mine.py'
  path.write_text(text)
  assert submissions.make(path, Task(tiny('digits'), 40, 8, 100), {})


def found(tmp_path, text):
  path = tmp_path / 'mine.py'
  path.write_text(f'{text}\ndef build(task): ...\nSELF = {{}}\n')
  return missing_packages.find(submissions.find(str(path)))


def test_packages_that_are_not_installed_are_told_with_how_to_get_them(
  tmp_path,
):
  told = found(
    tmp_path,
    'import gone_one.inner, numpy\n'
    'def f():\n'
    '  from gone_two import x\n'
    'import haiku as hk\n'
    'import importlib\n'
    'importlib.import_module("gone_three.a")\n'
    'import google.gone\n',
  )
  assert [line.split(':')[1].strip() for line in told[:-1]] == [
    'gone_one is not installed.',
    'gone_two is not installed.',
    'haiku is not installed.',
    'gone_three is not installed.',
    'google.gone is not installed.',
  ]
  assert told[0].startswith('mine.py, line 1') and 'line 3' in told[1]
  assert told[-1].endswith(
    '-m pip install dm-haiku gone_one gone_three gone_two google-gone'
  )


def test_what_can_be_done_without_is_not_lacking(tmp_path):
  assert not found(
    tmp_path,
    'import typing\n'
    'try:\n  import gone\nexcept ImportError:\n  gone = None\n'
    'try:\n  import gone\nexcept (KeyError, ModuleNotFoundError):\n  pass\n'
    'if typing.TYPE_CHECKING:\n  import gone\n'
    'import os.path, optax, jax.numpy, workloads.workload, submissions\n',
  )


def test_files_beside_a_submission_are_not_taken_along(tmp_path):
  (tmp_path / 'helper.py').write_text('X = 1')
  (tmp_path / 'inner').mkdir()
  (tmp_path / 'inner' / 'deep.py').write_text('X = 1')
  (tmp_path / 'optax.py').write_text('X = 1')  # The installed one is meant.
  told = found(
    tmp_path,
    'import helper, inner.deep\nfrom . import helper\n'
    'from .helper import X\nimport optax, submissions.gone',
  )
  assert len(told) == 5
  assert sum('only the file itself is run' in line for line in told) == 4
  assert told[-1] == 'mine.py, line 4: submissions.gone does not exist.'
