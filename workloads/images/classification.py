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


def mixup(rows, rng: np.random.Generator, classes: int, alpha: float):
  """Every image of a batch with some of the one before it, and its target.

  Args:
    rows: 'inputs' [B, S, S, C] and 'targets' [B] of a batch.
    rng: Draws the share, one for the batch.
    classes: How many, K.
    alpha: Both parameters of the share's Beta distribution.

  Returns:
    'inputs', and 'targets' [B, K] float32.
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
