"""Trust ratio of LAMB and LARS: steps proportional to the weights."""

import functools

import jax
import jax.numpy as jnp
import optax

from workloads.workload import Array


def scale_by_trust(
  coefficient: float = 1.0, floor: float = 0.0
) -> optax.GradientTransformation:
  """Scale the update u of each tensor w to length coefficient max(|w|, floor).

  LAMB's theory has such a floor, its experiments have none. A layer that starts
  at zero, as heads of vision transformers do, needs a floor. Such a layer is
  small after the first step, and without a floor each step multiplies it by one
  plus the rate at most. optax applies one bound to both lengths, which LARS
  cannot use, because its gradients are short. If either length is zero, u stays
  unchanged.
  """

  def update(updates, state, params=None):
    scale = functools.partial(trusted, coefficient=coefficient, floor=floor)
    return jax.tree.map(scale, updates, params), state

  return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def trusted(
  u: Array, w: Array, coefficient: float = 1.0, floor: float = 0.0
) -> Array:
  """Return an update as `scale_by_trust` scales it.

  Args:
    u: The update of one tensor.
    w: The tensor.
    coefficient: Length of the step, relative to the weights.
    floor: Smallest length that the weights count as.
  """
  length = jnp.maximum(optax.tree.norm(w), floor)
  given = optax.tree.norm(u)
  ratio = coefficient * length / jnp.where(given > 0, given, 1.0)
  return u * jnp.where((length > 0) & (given > 0), ratio, 1.0)
