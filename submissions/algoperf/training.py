"""What AlgoPerf's functions are handed from one step to the next."""

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
  """Something in a state that is no array and no number, as a leafless tree."""

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
  """What AlgoPerf's functions pass on; changes as training goes on.

  As a tree it has only data for leaves: the functions and texts that an
  optimizer's state may hold, as AlgoPerf's own do, are parts of its structure.
  """

  def __init__(self, params, model_state, optimizer_state, step: int, key=None):
    self.put(optimizer_state, params, model_state)
    self.step = step  # Calls of update_params so far.
    self.key = key  # For prepare_for_eval.
    self.scalars: dict[str, Array] = {}
    self.told: list[tuple[int, dict]] = []  # Evaluations so far.

  def put(self, optimizer_state, params, model_state) -> None:
    self.params, self.model_state = params, model_state
    self.optimizer_state = optimizer_state

  def adopt(self, other: 'Training') -> None:
    """Goes on where another one is."""
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
  """Takes what a submission logs; the harness records the newest."""

  def __init__(self) -> None:
    self._newest: dict[str, Array] = {}

  def append_scalar_metrics(self, metrics, global_step) -> None:
    del global_step  # The harness counts.
    self._newest = {
      name: value for name, value in metrics.items() if np.ndim(value) == 0
    }

  def take(self) -> dict[str, Array]:
    """What was logged since it was last asked."""
    newest, self._newest = self._newest, {}
    return newest


class _Readable:
  """Gives its fields as a dictionary does, too."""

  def get(self, name: str, default=None):
    return getattr(self, name, default)


def hyperparameters(point: dict[str, Any]):
  """A point by attributes; None in the self-tuning ruleset, which has none."""
  if not point:
    return None
  fields: Any = collections.namedtuple('Hyperparameters', list(point))  # pyrefly: ignore
  return type('Hyperparameters', (_Readable, fields), {})(**point)


def lost(training: Training) -> str:
  """Return what of it no checkpoint can hold; '' if all can be restored.

  Other objects than data and code may change unseen.
  """
  found = jax.tree_util.tree_leaves_with_path(training.optimizer_state)
  for path, leaf in found:
    if not isinstance(leaf, (*DATA, *CONSTANT)) and not callable(leaf):
      where = jax.tree_util.keystr(path)
      return f'optimizer_state{where} is a {type(leaf).__name__}'
  return ''
