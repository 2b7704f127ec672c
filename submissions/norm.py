"""The length of a gradient, also where its squares leave the numbers."""

import jax
import jax.numpy as jnp

from workloads.workload import Array, PyTree

SMALL = 1e-15  # Squares of shorter ones may be lost in float32.
UNITS = 2.0**-100, 2.0**100  # XLA divides by multiplying with the inverse.


def global_norm(tree: PyTree) -> Array:
  """Square root of the sum of all squares; a scalar of 32 bits or more.

  Squares of float32 are infinite from 1.8e19 on and zero up to 1e-23. Such
  trees are divided by about their largest number first. NaN and infinity stay.
  """
  leaves = [
    x.astype(jnp.promote_types(x.dtype, jnp.float32))
    for x in jax.tree.leaves(tree)
  ]
  if not leaves:
    return jnp.zeros(())

  def plain(unit: Array | float) -> Array:
    return jnp.sqrt(sum(((x / unit) ** 2).sum() for x in leaves))

  def divided() -> Array:
    # A NaN that `max` drops is still in the squares.
    largest = jnp.stack([jnp.abs(x).max(initial=0) for x in leaves]).max()
    unit = jnp.clip(largest, *UNITS)
    return unit * plain(unit)

  found = plain(1.0)
  usual = (found > SMALL) & (found < jnp.inf)
  return jax.lax.cond(usual, lambda: found, divided)


def clip(tree: PyTree, norm: Array, longest: float) -> PyTree:
  """The tree, at most so long: times min(1, longest / (norm + 1e-6))."""
  scale = jnp.minimum(1.0, longest / (norm + 1e-6))
  return jax.tree.map(lambda x: (x * scale).astype(x.dtype), tree)
