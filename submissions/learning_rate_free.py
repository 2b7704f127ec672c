"""Corrections shared by the learning-rate-free methods.

The schedule of such a method is a factor on the rate that the method finds, so
the schedule peaks at 1. D-Adaptation, Prodigy, DoG and DoWG estimate a distance
from the lengths of gradients, so clipping (`grad_clip`) changes the estimate.
"""

from typing import cast

import jax
import jax.numpy as jnp
import optax


def guard(
  inner: optax.GradientTransformationExtraArgs,
) -> optax.GradientTransformationExtraArgs:
  """Keep optax's D-Adaptation or Prodigy from dividing zero by zero.

  Both methods divide by the size of a sum of gradients times rates. While all
  rates or all gradients are zero, optax divides zero by zero, and every later
  step is NaN. With this guard such a step changes neither the parameters nor
  the estimate, as in the authors' own code. NaN in a gradient stays.
  """

  def update(updates, state, params=None, **extra):
    updates, after = inner.update(updates, state, params, **extra)
    # A DAdaptAdamWState has the fields that are used here, too.
    new = cast(optax.contrib.ProdigyState, after)
    size = optax.tree.sum(jax.tree.map(jnp.abs, new.grad_sum))
    nothing = size == 0
    updates = jax.tree.map(lambda u: jnp.where(nothing, 0, u), updates)
    estimate = jnp.where(nothing, state.estim_lr, new.estim_lr)
    return updates, new._replace(estim_lr=estimate)

  return optax.GradientTransformationExtraArgs(inner.init, update)


def proximal(
  inner: optax.GradientTransformationExtraArgs,
  rate: optax.Schedule,
  weight_decay: float,
) -> optax.GradientTransformationExtraArgs:
  """Correct the weight decay of optax's MoMo to that of the authors.

  With c = rate * weight_decay, the authors compute (x - step) / (1 + c). optax
  computes x / (1 + c) - step, whose steps are longer by the factor 1 + c.

  Args:
    inner: MoMo or MoMo-Adam of optax.
    rate: Learning rate by step.
    weight_decay: Decay per step, relative to the rate.
  """

  def update(updates, state, params=None, **extra):
    c = rate(state.count) * weight_decay
    updates, state = inner.update(updates, state, params, **extra)
    updates = jax.tree.map(
      lambda u, x: (u - c * c / (1 + c) * x) / (1 + c), updates, params
    )
    return updates, state

  return optax.GradientTransformationExtraArgs(inner.init, update)
