"""Dropout with a rate that may be traced.

Submissions written for AlgoPerf pass the rate as an argument of their compiled
step. Other submissions may do the same to change the rate during training.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn


class Dropout(nn.Dropout):
  """Dropout layer, equal to flax's to the bit if the rate is a number.

  Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from
  Overfitting". A traced rate, a scalar in [0, 1], draws the same masks; the
  outputs differ from flax's by rounding only. Rate zero keeps everything; rate
  one returns zeros with zero gradients.
  """

  @nn.compact
  def __call__(self, inputs, deterministic=None, rng=None):
    # Arrays that a compiled function closes over are handled like traced ones.
    traced = isinstance(self.rate, jax.Array)
    off = nn.merge_param('deterministic', self.deterministic, deterministic)
    if off or (not traced and self.rate == 0.0):
      return inputs
    if not traced and self.rate == 1.0:
      return jnp.zeros_like(inputs)
    keep = scale = 1.0 - self.rate
    if traced:
      keep = jnp.asarray(keep, jnp.float32)
      # Division by zero would make the gradients of dropped values NaN.
      scale = jnp.where(keep > 0, keep, 1.0).astype(inputs.dtype)
    shape = list(inputs.shape)
    for axis in self.broadcast_dims:
      shape[axis] = 1
    key = self.make_rng(self.rng_collection) if rng is None else rng
    kept = jax.random.bernoulli(key, keep, shape)
    return jnp.where(kept, inputs / scale, jnp.zeros_like(inputs))
