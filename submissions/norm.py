"""Norm of a gradient, also if its squares overflow or underflow float32."""

import jax
import jax.numpy as jnp

from workloads.workload import Array, PyTree

SMALL = 1e-15  # Squares of a shorter gradient may underflow in float32.
SHORT, LONG = 2.0**-100, 2.0**100  # Units; powers of two round nothing.


def global_norm(tree: PyTree) -> Array:
  """Square root of the sum of all squares: a scalar of 32 bits or more.

  In float32, squares of numbers from 1.8e19 on are infinite, and squares of
  numbers up to 1e-23 are zero. Trees with such norms are measured once more, in
  units of 2^100 or 2^-100. NaN and infinity stay.
  """
  leaves = [
    x.astype(jnp.promote_types(x.dtype, jnp.float32))
    for x in jax.tree.leaves(tree)
  ]
  if not leaves:
    return jnp.zeros(())

  def plain(unit: Array | float) -> Array:
    return jnp.sqrt(sum(((x / unit) ** 2).sum() for x in leaves))

  def again() -> Array:
    # One more pass, without the largest number: half the program to compile.
    unit = jnp.where(found > 1, LONG, SHORT).astype(found.dtype)
    return unit * plain(unit)

  found = plain(1.0)
  usual = (found > SMALL) & (found < jnp.inf)
  return jax.lax.cond(usual, lambda: found, again)


def clip(tree: PyTree, norm: Array, longest: float) -> PyTree:
  """Return the tree times min(1, longest / (norm + 1e-6)), as in AlgoPerf.

  Args:
    tree: The gradient.
    norm: Its norm, a scalar.
    longest: Largest norm.
  """
  scale = jnp.minimum(1.0, longest / (norm + 1e-6))
  return jax.tree.map(lambda x: (x * scale).astype(x.dtype), tree)
