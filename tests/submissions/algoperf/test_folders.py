"""Submissions written for AlgoPerf: their folders, and what they import."""

import pathlib
import subprocess
import sys

import jax.numpy as jnp
import pytest

import submissions
from runner.protocol.suites import search_space
from submissions.algoperf import (
  folders,
  import_shims,
  missing,
  spec,
  workload_adapter,
)
from submissions.submission import Task
from tests.support.tiny import tiny
from tests.support.written import (
  HERE,
  IDLE,
  MARKS,
  REST,
  V05,
  V06,
  goal,
  write,
)

USED = (HERE / 'used.txt').read_text().split('\n\n')
SPEC, LIBRARY = (part.split() for part in USED[1:])
pytestmark = MARKS


def test_the_specification_has_every_name_that_is_used():
  assert set(SPEC) <= set(import_shims.OFFERED['spec'])
  for package in import_shims.PACKAGES:
    for name in SPEC:
      assert not missing._lacks(f'{package}.spec.{name}')
    for name in ('get_replicate_sharding', 'get_batch_dim_sharding'):
      assert not missing._lacks(f'{package}.jax_sharding_utils.{name}')


@pytest.mark.parametrize('name', LIBRARY)
def test_what_libraries_have_lost_is_put_back(name):
  assert not missing._lacks(name)


def test_clip_takes_the_names_that_its_arguments_had():
  x = jnp.arange(4.0)
  for found in (
    import_shims._clip(x, a_min=1, a_max=2),
    import_shims._clip(a=x, a_min=1, a_max=2),
    import_shims._clip(x, 1, 2),
  ):
    assert found.tolist() == [1, 1, 2, 2]
  assert import_shims._clip(x, min=2.0).tolist() == [2, 2, 2, 3]


def test_nothing_is_left_in_a_process_that_does_not_run_one():
  code = (
    'import submissions, submissions.algoperf.loop, sys, jax\n'
    'assert "algoperf" not in sys.modules\n'
    'assert "tree_map" not in vars(jax)\n'
  )
  subprocess.run([sys.executable, '-c', code], check=True)


def test_an_installed_algoperf_is_used_and_not_shadowed(tmp_path, monkeypatch):
  real = tmp_path / 'site' / 'algoperf'
  real.mkdir(parents=True)
  (real / '__init__.py').write_text('')
  (real / 'spec.py').write_text(
    pathlib.Path(spec.__file__).read_text() + '\nREAL = True\n'
  )
  monkeypatch.syspath_prepend(str(tmp_path / 'site'))
  folder = write(
    tmp_path / 'one', 'from algoperf import spec\nSEEN = spec\n' + IDLE
  )
  module, used = import_shims.load(folder)
  assert module.SEEN is used and used.REAL
  assert used.LossType is not spec.LossType
  task = Task(tiny('digits'), 40, 8, 100)
  shown = workload_adapter.Workload(used, task, goal(), 'v0.6')
  assert shown.loss_type is used.LossType.SOFTMAX_CROSS_ENTROPY


def test_a_folder_or_its_file_with_or_without_a_space(tmp_path):
  plain = write(tmp_path / 'plain', IDLE)
  entry = submissions.find(str(plain))
  assert (entry.name, entry.self_point, entry.space) == ('plain', {}, None)
  assert entry.algoperf and entry == submissions.find(
    str(plain / 'submission.py')
  )
  tuned = write(tmp_path / 'tuned', IDLE, {'x': {'feasible_points': [1, 2]}})
  entry = submissions.find(str(tuned))
  assert entry.self_point is None
  assert entry.space == {'x': {'feasible_points': [1, 2]}}
  single = tmp_path / 'single.py'
  single.write_text(IDLE)
  assert submissions.find(str(single)).name == 'single'


def test_any_file_of_a_folder_counts_as_its_source(tmp_path):
  folder = write(tmp_path / 'one', IDLE)
  before = folders.sha256(folder)
  (folder / '.hidden').write_text('x')
  assert folders.sha256(folder) == before
  (folder / 'theta.state').write_bytes(b'x')
  assert folders.sha256(folder) != before


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('import torch\n' + IDLE, 'line 1 imports torch. Only submissions for JAX'),
    ('from torch import nn\n' + IDLE, 'imports torch'),
    (REST, 'it has no update_params'),
    ('def update_params(:', 'cannot be read'),
  ],
)
def test_what_cannot_run_is_refused_with_its_reason(tmp_path, text, message):
  folder = write(tmp_path / 'one', text)
  with pytest.raises(submissions.SubmissionError, match=message):
    submissions.find(str(folder))


def test_folders_that_are_none_and_names_that_are_taken(tmp_path):
  (tmp_path / 'empty').mkdir()
  with pytest.raises(submissions.SubmissionError, match='has no submission'):
    submissions.find(str(tmp_path / 'empty'))
  taken = write(tmp_path / 'lion', IDLE)
  with pytest.raises(submissions.SubmissionError, match='is a submission of'):
    submissions.find(str(taken))
  bad = write(tmp_path / 'bad', IDLE)
  (bad / folders.SPACE).write_text('{')
  with pytest.raises(submissions.SubmissionError, match='is not JSON'):
    submissions.find(str(bad))


@pytest.mark.parametrize(
  'given',
  [
    {'a': {'min': 1e-3, 'max': 1e-1, 'scaling': 'log'}},
    {'a': {'min': 0.0, 'max': 0.1, 'scaling': 'linear'}},
    {'a': {'feasible_points': [0.01, 0.02]}},
    [{'a': 0.01}, {'a': 0.02}],
  ],
)
def test_every_form_of_a_search_space(tmp_path, given):
  entry = submissions.find(str(write(tmp_path / 'one', IDLE, given)))
  points = search_space.points(entry.space, 2, 0, 'here')
  assert len(points) == 2
  assert all(0 <= point['a'] <= 0.1 for point in points)


def test_generations_are_told_apart():
  assert folders.generation(V06) == 'v0.6'
  assert folders.generation(V05) == 'v0.5'


def test_what_is_not_offered_is_told_by_name_and_line(tmp_path):
  folder = write(
    tmp_path / 'one',
    'import haiku_is_not_here\n'
    'import jax\n'
    'import jax.numpy as jnp\n'
    'from algoperf import spec, gone\n'
    'import algoperf.workloads.mnist\n'
    'from jax.experimental import host_callback_of_old\n'
    'def f(workload):\n'
    '  jax.tree_map(jnp.nowhere, workload.param_shapes)\n'
    '  workload._build_input_queue()\n'
    '  return workload.vocabulary, spec.Nothing, spec.LossType.CTC_LOSS\n'
    + IDLE,
  )
  found = {(one.line, one.text.split()[0]) for one in missing.find(folder)}
  assert found == {
    (1, 'haiku_is_not_here'),
    (4, 'algoperf.gone'),
    (5, 'algoperf.workloads.mnist'),
    (6, 'jax.experimental.host_callback_of_old'),
    (8, 'jax.numpy.nowhere'),
    (9, 'workload._build_input_queue'),
    (10, 'workload.vocabulary'),
    (10, 'algoperf.spec.Nothing'),
  }
  assert not missing.find(V06) and not missing.find(V05)
