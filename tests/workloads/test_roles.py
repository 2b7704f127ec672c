"""What parameters are for, which algorithms exclude and reshape by."""

import jax
import pytest

import workloads
from submissions.submission import Task
from workloads.roles import input_axes, roles


def by_path(name, of):
  shapes = jax.eval_shape(workloads.get(name).init, jax.random.key(0)).params
  found = jax.tree_util.tree_leaves_with_path(of(shapes))
  return {'/'.join(key.key for key in path): value for path, value in found}


def test_biases_of_several_heads_are_vectors():
  """They have rank 2, [heads, width], and once got a trust ratio by that."""
  found = by_path('imagenet_vit/mini', roles)
  attention = 'Block_0/MultiHeadDotProductAttention_0'
  assert found[f'{attention}/query/bias'] == 'vector'
  assert found[f'{attention}/query/kernel'] == 'weight'


def test_one_long_axis_is_a_vector_but_a_head_is_a_head():
  probe = by_path('imagenet_vit/map', roles)['AttentionPool_0/probe']
  assert probe == 'vector'  # [1, 1, 384]
  assert by_path('fastmri', roles)['head/kernel'] == 'head'  # [1, 1, 32, 1]


@pytest.mark.parametrize(
  ('name', 'path', 'axes'),
  [
    ('imagenet_vit', 'query/kernel', 1),  # [width, heads, head width]
    ('imagenet_vit', 'out/kernel', 2),  # [heads, head width, width]
    ('imagenet_resnet', 'Conv_0/kernel', 3),  # [height, width, in, out]
    ('criteo1tb', 'Dense_0/kernel', 1),  # [in, out]
    ('criteo1tb', 'Dense_0/bias', 0),
  ],
)
def test_inputs_of_a_kernel_are_its_leading_axes(name, path, axes):
  counts = by_path(name, input_axes)
  found = {count for key, count in counts.items() if key.endswith(path)}
  assert found == {axes}


def test_a_task_masks_parameters_by_their_roles():
  task = Task(workloads.get('wmt/mini'), 100, 16, 1000)
  matrices = task.mask('weight', 'head', 'embedding')
  expected = jax.tree.map(lambda role: role != 'vector', task.roles)
  assert matrices == expected
  assert set(jax.tree.leaves(matrices)) == {True, False}
