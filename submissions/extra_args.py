"""Keyword arguments of an optax update, beside gradient and parameters."""

import re
from collections.abc import Callable
from typing import Any

import jax
import optax

from workloads.workload import Array, Key, PyTree

REFUSED = re.compile(r"unexpected keyword argument '(\w+)'")


def extra_args(
  loss: Callable[[PyTree], Array], value: Array, grad: PyTree, key: Key
) -> dict[str, Any]:
  """All keywords that transformations of optax ask for, by their names.

  Args:
    loss: The loss as a function of the parameters.
    value: That loss at the parameters.
    grad: Its gradient there, not clipped.
    key: A new one in every step.
  """

  def value_fn(params, obj_fn=None, grad_fn=None, key=None):
    del obj_fn, grad_fn, key  # Line searches hand it all that they do not take.
    return loss(params)

  def grad_fn(params, number):
    del number  # Of a step of `optax.contrib.sam` within an update.
    return jax.grad(loss)(params)

  return {
    'value': value,
    'grad': grad,
    'value_fn': value_fn,
    'obj_fn': loss,
    'grad_fn': grad_fn,
    'key': key,
  }


def update(
  tx: optax.GradientTransformationExtraArgs,
  grads: PyTree,
  state: PyTree,
  params: PyTree,
  given: dict[str, Any],
) -> tuple[PyTree, PyTree]:
  """tx.update with as many of the given keywords as it takes.

  A transformation with a closed list of keywords, as `optax.contrib.sam` is,
  refuses the others by name, also from within a chain.
  """
  given = dict(given)
  while True:
    try:
      return tx.update(grads, state, params, **given)
    except TypeError as error:
      refused = REFUSED.search(str(error))
      if not refused or given.pop(refused[1], None) is None:
        raise
