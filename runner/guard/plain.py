"""Plain arrays in the place of what a submission hands over.

A submission may return objects of its own classes, whose methods would run
whenever the harness reads them: also while nothing is charged. So everything
is turned into plain arrays once, while the submission pays.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from workloads.workload import Array, Model, PyTree


@functools.cache
def _array() -> type:
  """Return the class of JAX's concrete arrays; needs a backend."""
  return type(jnp.zeros(()))


class NotPlainError(ValueError):
  """A submission handed over something else than arrays; says what."""


def model(found: Any, like: Model) -> Model:
  """Return a model that consists of plain arrays and plain containers.

  Args:
    found: The model that a submission handed over.
    like: The model that `workload.init` made.

  Raises:
    NotPlainError: structure, shapes or types are not those of `like`.
  """
  if not isinstance(found, Model):
    raise NotPlainError(
      f'The model to evaluate is a {type(found).__name__}. Return the Model '
      '(params, state) that training has, or one made by `model._replace`.'
    )
  return Model(
    _alike(found.params, like.params, 'params'),
    _alike(found.state, like.state, 'state'),
  )


def _alike(found: PyTree, like: PyTree, what: str) -> PyTree:
  """Return the tree of `like` with the leaves of `found`."""
  leaves, tree = jax.tree.flatten(found)
  wanted, first = jax.tree_util.tree_flatten_with_path(like)
  names = [what + jax.tree_util.keystr(path) for path, _ in wanted]
  if tree != first:  # Other containers with the same names are fine.
    pairs, _ = jax.tree_util.tree_flatten_with_path(found)
    own = [what + jax.tree_util.keystr(path) for path, _ in pairs]
    if odd := sorted({*own} ^ {*names}) or own != names:
      raise NotPlainError(
        f'{odd[0] if isinstance(odd, list) else what} is in the model to '
        'evaluate or in that of workload.init, and not in both.'
      )
  for name, leaf, (_, other) in zip(names, leaves, wanted, strict=True):
    if type(leaf) not in (_array(), np.ndarray):
      raise NotPlainError(
        f'{name} of the model to evaluate is a {type(leaf).__name__}, where '
        'workload.init has an array.'
      )
    if leaf.shape != other.shape or leaf.dtype != other.dtype:
      raise NotPlainError(
        f'{name} of the model to evaluate is {leaf.dtype}{list(leaf.shape)}, '
        f'where workload.init has {other.dtype}{list(other.shape)}.'
      )
  return jax.tree.unflatten(first, leaves)


def scalars(found: Any) -> dict[str, Array]:
  """Return named scalars as a plain dictionary of arrays or numbers.

  Args:
    found: The mapping that `Submission.scalars` returned.

  Raises:
    NotPlainError: it is no mapping from names to single numbers.
  """
  if not isinstance(found, Mapping):
    raise NotPlainError(
      f'scalars(state) is a {type(found).__name__}. Return a dictionary from '
      'names to single numbers.'
    )
  plain, array = {str(name): value for name, value in found.items()}, _array()
  for name, value in plain.items():
    if type(value) is array:  # Every step comes here, mostly with arrays only.
      number = value.shape == () or name == ''  # '': when the state is ready.
    else:
      number = _number(value)
    if not number:
      raise NotPlainError(
        f'{name!r} of scalars(state) is {_said(value)}, and must be one number.'
      )
  return plain


def _number(value: Any) -> bool:
  """Test whether a value that is no array of JAX is a single number."""
  if type(value) in (int, float):
    return True
  known = type(value) is np.ndarray or isinstance(value, np.generic)
  return known and np.ndim(value) == 0


def _said(value: Any) -> str:
  shape = getattr(value, 'shape', None)
  kind = type(value).__name__
  return (
    f'a {kind} of shape {shape}' if type(value) is _array() else f'a {kind}'
  )
