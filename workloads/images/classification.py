"""Batch, loss and metrics shared by all image classifiers.

An image is [S, S, C] float32, about N(0, 1) over a dataset. A target is the
number of a class or, after mixup (Zhang et al. 2018, arXiv:1710.09412), a
distribution over all classes.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from workloads.workload import Array, Batch, Key


def fake_batch(
  key: Key, batch_size: int, size: int, channels: int, classes: int
) -> Batch:
  """Return a batch of normally distributed pixels with random classes.

  Args:
    key: Random key.
    batch_size: Images, B.
    size: Height and width, S, in pixels.
    channels: Colours, C.
    classes: Number of classes, K.
  """
  pixels, label = jax.random.split(key)
  shape = (batch_size, size, size, channels)
  return {
    'inputs': jax.random.normal(pixels, shape),
    'targets': jax.random.randint(label, (batch_size,), 0, classes),
    'weights': jnp.ones(batch_size),
  }


class Mixup(NamedTuple):
  """Mixing of every image of a batch, and its target, with the previous one.

  All batches are those of one host.
  """

  classes: int  # Number of classes, K.
  alpha: float  # Both parameters of the Beta distribution of shares.

  def now(self, rows, rng: np.random.Generator):
    """Return mixed 'inputs' [B, S, S, C] and 'targets' [B, K] float32.

    Args:
      rows: 'inputs' [B, S, S, C] and 'targets' [B] of a batch.
      rng: Draws one mixing share for the whole batch.
    """
    share = self._share(rng)
    hot = np.eye(self.classes, dtype=np.float32)[rows['targets']]
    return {
      'inputs': _mixed(rows['inputs'], share), 'targets': _mixed(hot, share)
    }  # fmt: skip

  def with_share(self, rows, rng: np.random.Generator):
    """Add the mixing share as 'share' [B] float32, for `later`."""
    share = np.full(len(rows['targets']), self._share(rng))
    return rows | {'share': share}

  def later(self, batch: Batch, scale: Callable[[Array], Array]) -> Batch:
    """Return what `now` returns, bit for bit, in a compiled program.

    Args:
      batch: 'inputs' [B, S, S, C] uint8, 'targets' [B], 'share' [B] and
        'weights' [B], which are ones.
      scale: Makes float32 pixels of bytes.
    """
    ones = batch['weights']

    def mixed(values: Array, convert: Callable[[Array], Array]) -> Array:
      own = convert(values)
      other = convert(jnp.roll(values, 1, axis=0))
      share = _along(batch['share'], own)
      return rounded(share * own, ones) + rounded((1 - share) * other, ones)

    hot = functools.partial(jax.nn.one_hot, num_classes=self.classes)
    return {
      'inputs': mixed(batch['inputs'], scale),
      'targets': mixed(batch['targets'], hot),
      'weights': ones,
    }

  def _share(self, rng: np.random.Generator) -> np.float32:
    return np.float32(rng.beta(self.alpha, self.alpha))


def _mixed(values: np.ndarray, share: np.float32) -> np.ndarray:
  return share * values + (1 - share) * np.roll(values, 1, axis=0)


def rounded(products: Array, ones: Array) -> Array:
  """Return products [B, ...] that are rounded before they are added.

  numpy rounds every product. A compiler may compute a product and a sum as one
  operation with one rounding, and changes the order of products to do so. It
  cannot do either across an exclusive or with a number that it does not know.

  Args:
    products: Products, float32.
    ones: Ones [B] that are arguments of the compiled program.
  """
  bits = functools.partial(jax.lax.bitcast_convert_type, new_dtype=jnp.int32)
  zeros = bits(ones) ^ np.float32(1).view(np.int32)  # [B]
  same = bits(products) ^ _along(zeros, products)
  return jax.lax.bitcast_convert_type(same, jnp.float32)


def _along(rows: Array, like: Array) -> Array:
  """Return rows [B] with as many axes as `like` [B, ...]."""
  return rows.reshape(-1, *(1,) * (like.ndim - 1))


def losses(
  logits: Array, batch: Batch, label_smoothing: float
) -> tuple[Array, Array]:
  """Return the softmax cross-entropy [B] per example, and ones [B].

  Args:
    logits: [B, K].
    batch: 'targets' [B] or [B, K].
    label_smoothing: From 0 (none) to 1.
  """
  targets = batch['targets']
  # The rank separates numbers from distributions. AlgoPerf compares lengths,
  # and mistakes a batch of 1000 class numbers for one distribution.
  if targets.ndim == 1:
    targets = jax.nn.one_hot(targets, logits.shape[-1])  # [B, K]
  targets = optax.smooth_labels(targets, label_smoothing)
  terms = optax.softmax_cross_entropy(logits, targets)  # [B]
  return terms, jnp.ones_like(terms)


def statistics(logits: Array, batch: Batch) -> dict[str, Array]:
  """Return loss and error (1 if the top class is wrong), each [B]."""
  labels = batch['targets']
  if labels.ndim == 2:
    labels = labels.argmax(axis=-1)
  return {
    'loss': losses(logits, batch, 0.0)[0],
    'error_rate': logits.argmax(axis=-1) != labels,
  }


def summarize(stats: dict[str, np.ndarray]) -> dict[str, float]:
  """Return the means of the statistics, and the accuracy."""
  means = {
    name: float(values.mean(dtype=np.float64)) for name, values in stats.items()
  }
  return means | {'accuracy': 1 - means['error_rate']}
