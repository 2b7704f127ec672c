"""Submissions of ours, written as folders that AlgoPerf runs."""

import ast
import json

import jax
import numpy as np
import pytest

import submissions
from runner import preparing
from runner.options import Options
from submissions.algoperf import export, folders, missing
from tests.support.written import MARKS, V06, started

pytestmark = MARKS
SIZES = {'mnist': 16}
AVERAGED = '''"""SGD, shown at half its parameters."""
import jax, optax
from submissions.submission import from_optax
def build(task, *, rate, **options):
  return from_optax(
    task, optax.sgd(rate), steps=6,
    eval_params=lambda opt, params: jax.tree.map(lambda x: x / 2, params),
    **options)
SELF = {'rate': 0.1}
'''


def assert_close(found, expected):
  for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def exported(request, tmp_path):
  """The folder of the self-tuning ruleset."""
  folder = export.write(submissions.find(str(request)), tmp_path, SIZES)
  (folder / folders.SPACE).unlink(missing_ok=True)
  return folder.rename(folder.with_name(f'{folder.name}_there'))


@pytest.mark.parametrize('name', ['nadamw', 'lion', 'muon'])
def test_there_and_back_again_trains_as_before(name, tmp_path):
  """With its clipping, masks of parameters and kernels' input axes."""
  native, wanted, _ = started(name)
  submission, found, _ = started(exported(name, tmp_path))
  for _ in range(4):
    state, expected = next(found), next(wanted)
  assert_close(submission.model(state), native.model(expected))


def test_what_is_shown_is_not_what_is_trained(tmp_path):
  """AlgoPerf goes on from what it was shown; the folder holds the rest."""
  path = tmp_path / 'mine.py'
  path.write_text(AVERAGED)
  native, wanted, _ = started(path)
  submission, found, _ = started(exported(path, tmp_path))
  for _ in range(3):
    state, expected = next(found), next(wanted)
    shown = submission.model(state)
    assert_close(shown, native.model(expected))
    assert_close(submission.model(state), shown)  # Looked at twice.
  assert len(list(found)) == 4  # Ends after six steps; the last says so.


@pytest.mark.parametrize('name', submissions.names())
def test_every_one_is_exported_whole_or_refused_with_a_reason(name, tmp_path):
  try:
    folder = export.write(submissions.find(name), tmp_path, SIZES)
  except submissions.SubmissionError as error:
    assert 'Only what from_optax makes can be exported' in str(error)
    assert not list(tmp_path.iterdir())
    return
  assert not missing.find(folder)
  space = submissions.find(name).space
  assert json.loads((folder / folders.SPACE).read_text()) == space
  for file in folder.glob('*.py'):
    for _, module in folders.imported(ast.parse(file.read_text())):
      assert module.partition('.')[0] not in ('submissions', 'workloads')


def test_a_further_point_is_the_one_that_is_written(tmp_path):
  folder = export.write(submissions.find('adamw@rex'), tmp_path, SIZES)
  assert folder.name == 'adamw_rex'
  assert not (folder / folders.SPACE).exists()
  text = (folder / 'algorithm.py').read_text()
  last = ast.parse(text).body[-1]
  assert isinstance(last, ast.Assign)
  assert ast.literal_eval(last.value)['schedule'] == 'rex'


def test_nothing_is_overwritten_and_reasons_are_given(tmp_path, capsys):
  def command(*names):
    return preparing.export_algoperf(Options(submissions=names, out=tmp_path))

  assert command('lion') == 0
  assert capsys.readouterr().out == f'Written to {tmp_path / "lion"}.\n'
  sizes = (tmp_path / 'lion' / 'batch_sizes.py').read_text()
  assert '"criteo1tb": 262144' in sizes and '"wmt": 128' in sizes
  with pytest.raises(ValueError, match='Use another --out'):
    command('lion')
  with pytest.raises(ValueError, match='was written for AlgoPerf already'):
    command(str(V06))
