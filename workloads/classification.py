"""What the families of image classifiers share: batch, loss and metrics.

An image is [S, S, C] float32, about N(0, 1) over a data set. Its target is the
number of a class or, as in mixup (Zhang et al. 2018, arXiv:1710.09412), a
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
  """Normal pixels with random classes."""
  pixels, label = jax.random.split(key)
  shape = (batch_size, size, size, channels)
  return {
    'inputs': jax.random.normal(pixels, shape),
    'targets': jax.random.randint(label, (batch_size,), 0, classes),
    'weights': jnp.ones(batch_size),
  }


def losses(
  logits: Array, batch: Batch, label_smoothing: float
) -> tuple[Array, Array]:
  """Softmax cross-entropy [B] of logits [B, K], and ones [B]."""
  targets = batch['targets']
  # By rank: AlgoPerf tells them by length, and takes 1000 numbers of classes
  # for one distribution.
  if targets.ndim == 1:
    targets = jax.nn.one_hot(targets, logits.shape[-1])  # [B, K]
  targets = optax.smooth_labels(targets, label_smoothing)
  terms = optax.softmax_cross_entropy(logits, targets)  # [B]
  return terms, jnp.ones_like(terms)


def statistics(logits: Array, batch: Batch) -> dict[str, Array]:
  """Loss and error (is the likeliest class another one?), each [B]."""
  labels = batch['targets']
  if labels.ndim == 2:
    labels = labels.argmax(axis=-1)
  return {
    'loss': losses(logits, batch, 0.0)[0],
    'error_rate': logits.argmax(axis=-1) != labels,
  }


def summarize(stats: dict[str, np.ndarray]) -> dict[str, float]:
  """Means of the statistics, and the accuracy."""
  means = {
    name: float(values.mean(dtype=np.float64)) for name, values in stats.items()
  }
  return means | {'accuracy': 1 - means['error_rate']}
