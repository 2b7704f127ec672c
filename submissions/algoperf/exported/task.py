"""What an algorithm is told of a workload, by what AlgoPerf knows of it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array
PyTree = Any


class Model(NamedTuple):
  params: Any
  state: Any = ()


class Recipe(NamedTuple):
  """An algorithm: an optax transformation and how gradients are taken."""

  tx: Any
  eval_params: Any
  steps: int | None
  dropout: float
  label_smoothing: float
  grad_clip: float | None


def from_optax(
  task,
  tx,
  *,
  schedule=None,
  eval_params=None,
  steps=None,
  batch_size=None,
  dropout=0.0,
  label_smoothing=0.0,
  grad_clip=None,
):
  del task, schedule
  if batch_size is not None:
    raise ValueError('Batch sizes are those of get_batch_size.')
  return Recipe(tx, eval_params, steps, dropout, label_smoothing, grad_clip)


class Task:
  """A workload's size, and shapes and roles of its parameters."""

  per_dispatch = 1
  record_every = 1

  def __init__(self, workload):
    self._workload = workload
    self.steps = workload.step_hint
    self.train_examples = workload.num_train_examples

  @property
  def shapes(self):
    return Model(
      jax.tree.map(
        lambda s: jax.ShapeDtypeStruct(s.shape_tuple, jnp.float32),
        self._workload.param_shapes,
      )
    )

  @property
  def roles(self):
    """A tree like the parameters: 'embedding', 'head', 'vector', 'weight'."""
    return jax.tree_util.tree_map_with_path(
      self._role, self.shapes.params, self._workload.model_params_types
    )

  def _role(self, path, leaf, kind):
    if len(leaf.shape) < 2 or 'BIAS' in kind.name or 'SCALE' in kind.name:
      return 'vector'
    if kind.name == 'EMBEDDING':
      return 'embedding'
    if self._workload.is_output_params(path[0].key):
      return 'head'
    return 'vector' if max(leaf.shape) == _size(leaf) else 'weight'

  @property
  def input_axes(self):
    """A tree like the parameters: how many leading axes are inputs."""

    def count(leaf, kind):
      if kind.name in ('ATTENTION_Q', 'ATTENTION_K', 'ATTENTION_V'):
        return 1
      return max(0, len(leaf.shape) - 1)

    return jax.tree.map(
      count, self.shapes.params, self._workload.model_params_types
    )

  def mask(self, *wanted):
    """A tree like the parameters: True where the role is one of these."""
    return jax.tree.map(lambda role: role in wanted, self.roles)


def _size(leaf):
  total = 1
  for axis in leaf.shape:
    total *= axis
  return total
