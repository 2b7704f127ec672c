"""Batch, loss and metrics shared by all image classifiers.

An image is [S, S, C] float32, about N(0, 1) over a dataset. A target is the
number of a class or, after mixup (Zhang et al. 2018, arXiv:1710.09412), a
distribution over all classes.
"""

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


def mixup(rows, rng: np.random.Generator, classes: int, alpha: float):
  """Mix every image of a batch, and its target, with the previous image.

  Args:
    rows: 'inputs' [B, S, S, C] and 'targets' [B] of a batch.
    rng: Draws one mixing share for the whole batch.
    classes: Number of classes, K.
    alpha: Both parameters of the share's Beta distribution.

  Returns:
    Mixed 'inputs' [B, S, S, C] and 'targets' [B, K] float32.
  """
  share = np.float32(rng.beta(alpha, alpha))
  hot = np.eye(classes, dtype=np.float32)[rows['targets']]
  return {
    'inputs': _mixed(rows['inputs'], share), 'targets': _mixed(hot, share)
  }  # fmt: skip


def _mixed(values: np.ndarray, share: np.float32) -> np.ndarray:
  return share * values + (1 - share) * np.roll(values, 1, axis=0)


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
