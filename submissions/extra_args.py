"""Further keyword arguments of an optax update."""

import re
from collections.abc import Callable
from typing import Any

import jax

from workloads.workload import Array, Key, PyTree

REFUSED = re.compile(r"unexpected keyword argument '(\w+)'")


def extra_args(
  loss: Callable[[PyTree], Array], value: Array, grad: PyTree, key: Key
) -> dict[str, Any]:
  """Return all keyword arguments that optax transformations accept, by name.

  Args:
    loss: The loss as a function of the parameters.
    value: The loss at the present parameters, a scalar.
    grad: The gradient at the present parameters, not clipped.
    key: A random key, new in every step.
  """

  def value_fn(params, obj_fn=None, grad_fn=None, key=None):
    # Line searches pass on every keyword that they do not use themselves.
    del obj_fn, grad_fn, key
    return loss(params)

  def grad_fn(params, number):
    del number  # `optax.contrib.sam` passes the number of its inner step.
    return jax.grad(loss)(params)

  return {
    'value': value,
    'grad': grad,
    'value_fn': value_fn,
    'obj_fn': loss,
    'grad_fn': grad_fn,
    'key': key,
  }


def call(
  function: Callable[..., tuple[PyTree, PyTree]],
  grads: PyTree,
  state: PyTree,
  params: PyTree,
  given: dict[str, Any],
) -> tuple[PyTree, PyTree]:
  """Call `update` or `write` with those keyword arguments that it accepts.

  Transformations with a fixed list of keywords, such as `optax.contrib.sam`,
  raise a TypeError that names another keyword, even from within a chain.

  Args:
    function: `update` of an optax transformation, or `write` of a writer.
    grads: The gradient, a tree like params.
    state: The state of the transformation.
    params: The parameters.
    given: Keyword arguments by name.
  """
  given = dict(given)
  while True:
    try:
      return function(grads, state, params, **given)
    except TypeError as error:
      refused = REFUSED.search(str(error))
      if not refused or given.pop(refused[1], None) is None:
        raise
