"""What the learning-rate-free methods share: guards against their traps.

Their rate is a factor on the one they find, so a schedule peaks at 1. Clipping
the gradient (`grad_clip`) hides how long it was from D-Adaptation, Prodigy, DoG
and DoWG, and changes what they estimate: their points do without it.
"""

from typing import cast

import jax
import jax.numpy as jnp
import optax


def guard(
  inner: optax.GradientTransformationExtraArgs,
) -> optax.GradientTransformationExtraArgs:
  """Holds D-Adaptation and Prodigy of optax still until they know something.

  Both divide by the size of a sum of gradients, each times its rate. While all
  rates or all gradients have been zero, optax divides zero by zero and every
  later step is NaN. As in the authors' own code, such a step changes neither
  parameters nor the estimate. A gradient that is NaN stays one.
  """

  def update(updates, state, params=None, **extra):
    updates, after = inner.update(updates, state, params, **extra)
    new = cast(optax.contrib.ProdigyState, after)  # Or DAdaptAdamWState.
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
  """MoMo's weight decay as the authors compute it.

  With c = rate * weight_decay theirs is (x - step) / (1 + c), where optax has
  x / (1 + c) - step: its steps are longer by the factor 1 + c.
  """

  def update(updates, state, params=None, **extra):
    c = rate(state.count) * weight_decay
    updates, state = inner.update(updates, state, params, **extra)
    updates = jax.tree.map(
      lambda u, x: (u - c * c / (1 + c) * x) / (1 + c), updates, params
    )
    return updates, state

  return optax.GradientTransformationExtraArgs(inner.init, update)
