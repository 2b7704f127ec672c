"""Facts of an AlgoPerf workload, in the form that TimeTrial algorithms use."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array
PyTree = Any


class Model(NamedTuple):
  """Parameters and model state."""

  params: Any
  state: Any = ()


class Recipe(NamedTuple):
  """An algorithm: an optax transformation, and how to compute gradients."""

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
  """Return the recipe of an algorithm.

  Args:
    task: Unused.
    tx: An optax transformation.
    schedule: Unused.
    eval_params: (optimizer state, parameters) -> parameters to evaluate.
    steps: Steps until training ends; None means it never ends by itself.
    batch_size: Must be None; see get_batch_size in submission.py.
    dropout: Dropout rate.
    label_smoothing: Share of the label spread evenly over all classes.
    grad_clip: Largest global norm of the gradient; None means no limit.
  """
  del task, schedule
  if batch_size is not None:
    raise ValueError(
      f'batch_size is {batch_size}. It must be None: change batch_sizes.py.'
    )
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
    """Shapes and dtypes of the parameters."""
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
    """A tree like the parameters: the number of leading input axes."""

    def count(leaf, kind):
      if kind.name in ('ATTENTION_Q', 'ATTENTION_K', 'ATTENTION_V'):
        return 1
      return max(0, len(leaf.shape) - 1)

    return jax.tree.map(
      count, self.shapes.params, self._workload.model_params_types
    )

  def mask(self, *wanted):
    """A tree like the parameters: True where the role is in `wanted`."""
    return jax.tree.map(lambda role: role in wanted, self.roles)


def _size(leaf):
  total = 1
  for axis in leaf.shape:
    total *= axis
  return total
