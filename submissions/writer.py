"""Transformations that write parameters themselves.

An optax transformation returns updates, arrays as large as the parameters,
which are added afterwards. A writer returns the new parameters instead: no
update is ever stored, and a parameter is read and written once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax

from workloads.workload import PyTree


@runtime_checkable
class Writer(Protocol):
  """An optimizer that returns new parameters, for `from_optax`."""

  def init(self, params: PyTree, /) -> PyTree:
    """Return the first state."""
    ...

  def write(
    self, grads: PyTree, state: PyTree, params: PyTree, /, **given: Any
  ) -> tuple[PyTree, PyTree]:
    """Return the parameters after a step, and the state.

    Args:
      grads: The gradient, a tree like params.
      state: The state.
      params: The parameters.
      **given: What a transformation's `update` gets, if `write` names it.
    """
    ...


class Writing(NamedTuple):
  """A writer made of two functions."""

  init: Callable[[PyTree], PyTree]
  write: Callable[..., tuple[PyTree, PyTree]]


# A tuple's fields are no methods to the type checker.
Transformation = optax.GradientTransformation | Writer | Writing


def check(tx: Any) -> None:
  """Raise a TypeError unless tx is an optax transformation or a writer."""
  init, update, write = (
    callable(getattr(tx, name, None)) for name in ('init', 'update', 'write')
  )
  if init and update != write:
    return
  names = {'init': init, 'update': update, 'write': write}
  has = ' and '.join(name for name, found in names.items() if found)
  raise TypeError(
    f'from_optax got {type(tx).__name__}, which has {has or "none of these"}. '
    'It needs init, and either update (optax) or write. Pass an optax '
    'transformation, or submissions.writer.Writing(init, write).'
  )


def written(found: Any, params: PyTree) -> tuple[PyTree, PyTree]:
  """Return what `write` returned, with the parameters in their own types.

  Raises:
    TypeError: It is no pair, or its parameters have another tree.
    ValueError: A parameter has another shape.
  """
  if not isinstance(found, tuple) or len(found) != 2:
    raise TypeError(
      f'write returned {type(found).__name__} instead of two values. Return '
      '(params, state).'
    )
  new, state = found
  if jax.tree.structure(new) != jax.tree.structure(params):
    raise TypeError(
      f'write returned parameters with the tree {jax.tree.structure(new)} '
      f'instead of {jax.tree.structure(params)}. Return (params, state), in '
      'this order, and keep the tree of the parameters.'
    )

  def typed(path, x, like):
    if jnp.shape(x) != like.shape:
      raise ValueError(
        f'write returned the parameter {jax.tree_util.keystr(path)} with shape '
        f'{jnp.shape(x)} instead of {like.shape}. Keep the shapes of all '
        'parameters.'
      )
    return jnp.asarray(x, like.dtype)

  return jax.tree_util.tree_map_with_path(typed, new, params), state
