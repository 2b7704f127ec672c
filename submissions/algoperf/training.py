"""State that AlgoPerf's functions pass from one step to the next."""

import collections
import enum
import types
from typing import Any

import jax
import numpy as np

from workloads.workload import Array

DATA = (jax.Array, np.ndarray, np.generic, bool, int, float, complex)
CONSTANT = (str, bytes, enum.Enum, types.ModuleType)


@jax.tree_util.register_pytree_node_class
class Kept:
  """A value that is no data, as a tree without leaves."""

  def __init__(self, value: Any):
    self.value = value

  def tree_flatten(self):
    return (), self.value

  @classmethod
  def tree_unflatten(cls, value, children):
    del children
    return cls(value)


@jax.tree_util.register_pytree_with_keys_class
class Training:
  """State of an AlgoPerf submission; changes during training.

  Its leaves as a tree are data only. An optimizer state may also hold functions
  and strings, as those of AlgoPerf's baselines do: these become part of the
  tree's structure.
  """

  def __init__(self, params, model_state, optimizer_state, step: int, key=None):
    self.put(optimizer_state, params, model_state)
    self.step = step  # Calls of update_params so far.
    self.key = key  # Random key of prepare_for_eval.
    self.scalars: dict[str, Array] = {}
    self.told: list[tuple[int, dict]] = []  # Evaluations so far.

  def put(self, optimizer_state, params, model_state) -> None:
    """Store the results of update_params or prepare_for_eval.

    Args:
      optimizer_state: Any tree.
      params: A tree of arrays.
      model_state: A tree of arrays, or None.
    """
    self.params, self.model_state = params, model_state
    self.optimizer_state = optimizer_state

  def adopt(self, other: 'Training') -> None:
    """Copy the state of another object, to continue from there."""
    self.put(other.optimizer_state, other.params, other.model_state)
    self.step, self.key, self.told = int(other.step), other.key, other.told

  def tree_flatten_with_keys(self):
    fields = {
      'params': self.params,
      'model_state': self.model_state,
      'optimizer_state': jax.tree.map(_shown, self.optimizer_state),
      'step': self.step,
      'key': self.key,
    }
    keyed = [
      (jax.tree_util.GetAttrKey(name), value) for name, value in fields.items()
    ]
    return keyed, None

  @classmethod
  def tree_unflatten(cls, kept, fields):
    del kept
    params, model_state, shown, step, key = fields
    state = jax.tree.map(_hidden, shown, is_leaf=_is_kept)
    return cls(params, model_state, state, step, key)


def _shown(leaf):
  is_data = isinstance(leaf, DATA) and not isinstance(leaf, enum.Enum)
  return leaf if is_data else Kept(leaf)


def _is_kept(value) -> bool:
  return isinstance(value, Kept)


def _hidden(value):
  return value.value if _is_kept(value) else value


class Logger:
  """Logger of a submission; the harness records the newest scalars."""

  def __init__(self) -> None:
    self._newest: dict[str, Array] = {}

  def append_scalar_metrics(self, metrics, global_step) -> None:
    """Keep the scalars of `metrics`, by name."""
    del global_step  # The harness counts steps itself.
    self._newest = {
      name: value for name, value in metrics.items() if np.ndim(value) == 0
    }

  def take(self) -> dict[str, Array]:
    """Return the scalars logged since the last call."""
    newest, self._newest = self._newest, {}
    return newest


class _Readable:
  """Named tuple that has `get`, as a dictionary does."""

  def get(self, name: str, default=None):
    """Return a field by name."""
    return getattr(self, name, default)


def hyperparameters(point: dict[str, Any]):
  """Return a point as an object with attributes; None if the point is empty."""
  if not point:
    return None
  fields: Any = collections.namedtuple('Hyperparameters', list(point))  # pyrefly: ignore
  return type('Hyperparameters', (_Readable, fields), {})(**point)


def lost(training: Training) -> str:
  """Name a part of the optimizer state that no checkpoint can hold, or ''.

  Data is stored, and code is made again. Other objects may have changed.
  """
  found = jax.tree_util.tree_leaves_with_path(training.optimizer_state)
  for path, leaf in found:
    if not isinstance(leaf, (*DATA, *CONSTANT)) and not callable(leaf):
      where = jax.tree_util.keystr(path)
      return f'optimizer_state{where} is a {type(leaf).__name__}'
  return ''
