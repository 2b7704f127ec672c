"""The trust ratio of LAMB and LARS: steps in proportion to the weights."""

import jax
import jax.numpy as jnp
import optax


def scale_by_trust(
  coefficient: float = 1.0, floor: float = 0.0
) -> optax.GradientTransformation:
  """Gives the update u of each tensor w the length coefficient max(|w|, floor).

  Lower bounds are part of LAMB's theory but not of its experiments. A layer
  that starts at zero, as the heads of vision transformers do, needs one: it is
  small after the first step, and without a floor it then grows by a factor of
  one plus the rate in a step at most. optax has a bound for both lengths alike,
  which LARS cannot use: its gradients are short. Where either length is zero, u
  stays as it is.
  """

  def update(updates, state, params=None):
    def scale(u, w):
      length = jnp.maximum(optax.tree.norm(w), floor)
      given = optax.tree.norm(u)
      ratio = coefficient * length / jnp.where(given > 0, given, 1.0)
      return u * jnp.where((length > 0) & (given > 0), ratio, 1.0)

    return jax.tree.map(scale, updates, params), state

  return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
