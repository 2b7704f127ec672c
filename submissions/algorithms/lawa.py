"""NAdamW, evaluated at the mean of its latest checkpoints (LAWA).

Kaddour 2022, "Stop Wasting My Time! Saving Days of ImageNet and BERT Training
with Latest Weight Averaging", arXiv:2209.14981. Batch-norm statistics are those
of the mean. State: 28 bytes a parameter with five checkpoints.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import schedules, transforms
from submissions.averaging import follow_statistics
from submissions.submission import from_optax
from workloads.workload import Array, PyTree


class Queued(NamedTuple):
  """The state of `queued`."""

  inner: PyTree
  kept: PyTree  # Like the parameters, each leaf [kept, ...]; zero when empty.
  filled: Array  # Number of checkpoints stored so far.
  count: Array


def queued(
  inner: optax.GradientTransformation, kept: int, every: int
) -> optax.GradientTransformation:
  """Keep the latest checkpoints of the parameters in the state.

  Args:
    inner: The transformation that trains.
    kept: Number of checkpoints.
    every: Steps from one checkpoint to the next.
  """

  def init(params):
    empty = jax.tree.map(lambda x: jnp.zeros((kept, *x.shape), x.dtype), params)
    zero = jnp.zeros((), jnp.int32)
    return Queued(inner.init(params), empty, zero, zero)

  def update(updates, state, params: PyTree = None):
    updates, below = inner.update(updates, state.inner, params)
    count = state.count + 1
    new = optax.apply_updates(params, updates)
    put = lambda queue, x: queue.at[state.filled % kept].set(x)  # noqa: E731
    queue, filled = jax.lax.cond(
      count % every == 0,
      lambda queue: (jax.tree.map(put, queue, new), state.filled + 1),
      lambda queue: (queue, state.filled),
      state.kept,
    )
    return updates, Queued(below, queue, filled, count)

  return optax.GradientTransformation(init, update)


def latest_mean(state: Queued, params: PyTree) -> PyTree:
  """Mean of the kept checkpoints, or `params` before the first checkpoint."""
  leaves = jax.tree.leaves(state.kept)
  number = jnp.minimum(state.filled, leaves[0].shape[0])

  def mean(x, queue):
    found = queue.sum(0, dtype=jnp.promote_types(x.dtype, jnp.float32))
    found = (found / jnp.maximum(number, 1)).astype(x.dtype)
    return jnp.where(number == 0, x, found)

  return jax.tree.map(mean, params, state.kept)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, kept, spacing, horizon, **options
):  # fmt: skip
  """Return NAdamW with LAWA as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    kept: Number of checkpoints averaged.
    spacing: Share of the steps between checkpoints.
    horizon: Steps until the rate is zero, relative to the step budget.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(
    learning_rate, warmup / horizon, int(horizon * task.steps)
  )
  tx = optax.chain(
    transforms.scale_by_nadam(1 - one_minus_beta1, beta2),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  submission = from_optax(
    task,
    queued(tx, kept, max(1, int(spacing * task.steps))),
    schedule=schedule,
    eval_params=latest_mean,
    steps=int(horizon * task.steps),
    **options,
  )
  return follow_statistics(task, submission)


# NAdamW's, plus guesses. `runner tune --points=4` found none better.
SELF = {
  'learning_rate': 0.006, 'one_minus_beta1': 0.15, 'beta2': 0.98,
  'weight_decay': 0.3, 'warmup': 0.1, 'kept': 5, 'spacing': 0.02,
  'horizon': 1.5, 'grad_clip': 0.3, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # NAdamW's space, with kept, spacing and horizon.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 4e-3, 'max': 1e-1, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'kept': {'feasible_points': [3, 5, 10]},
  'spacing': {'min': 0.002, 'max': 0.05, 'scaling': 'log'},
  'horizon': {'feasible_points': [1.0, 1.5, 2.0]},
}
