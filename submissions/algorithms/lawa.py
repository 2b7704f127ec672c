"""NAdamW, evaluated at the mean of its latest checkpoints (LAWA).

Kaddour 2022, "Stop Wasting My Time! Saving Days of ImageNet and BERT Training
with Latest Weight Averaging", arXiv:2209.14981. `kept` checkpoints are
`spacing` of the steps apart; the rate would reach zero at `horizon` of them.
Batch-norm statistics are those of the mean. With five checkpoints, State: 28
bytes a parameter.
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
  filled: Array  # How many were put in so far.
  count: Array


def queued(
  inner: optax.GradientTransformation, kept: int, every: int
) -> optax.GradientTransformation:
  """Keeps the parameters of every so many steps, the latest few of them."""

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
  """The mean of what is kept; the parameters while nothing is."""
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


# NAdamW's; the rest is a guess. `runner tune --points=4` found none better.
SELF = {
  'learning_rate': 0.006, 'one_minus_beta1': 0.15, 'beta2': 0.98,
  'weight_decay': 0.3, 'warmup': 0.1, 'kept': 5, 'spacing': 0.02,
  'horizon': 1.5, 'grad_clip': 0.3, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # NAdamW's, with the checkpoints and the decay.
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
