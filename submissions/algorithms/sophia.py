"""Sophia: momentum over the diagonal of the Hessian, clipped.

Liu et al. 2023, "Sophia: A Scalable Stochastic Second-order Optimizer for
Language Model Pre-training", arXiv:2305.14342: the paper's third algorithm with
Hutchinson's estimator (Sophia-H). The estimator multiplies the Hessian with
random signs, where the paper has normal numbers. optax corrects the momentum
for its bias, and divides by the curvature from before the step. After 264 steps
of `mnist/mini` and `digits` (batches of 64, SELF, four seeds), optax's
validation loss is 0.1 % higher; seeds differ by 0.6 and 2 %. State: 8 bytes a
parameter.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import schedules
from submissions.submission import from_optax
from workloads.workload import Array, Key, PyTree


class SophiaState(NamedTuple):
  """The state of `scale_by_sophia`."""

  count: Array
  mean: PyTree  # Moving average of the gradient.
  curvature: PyTree  # Moving average of estimates of the Hessian's diagonal.


def hutchinson(
  loss: Callable[[PyTree], Array], params: PyTree, key: Key
) -> PyTree:
  """Estimate the Hessian's diagonal: signs * (Hessian @ signs).

  Args:
    loss: The loss as a function of the parameters.
    params: The parameters.
    key: Random key of the signs.
  """
  signs = optax.tree.random_like(key, params, jax.random.rademacher)
  product = jax.jvp(jax.grad(loss), (params,), (signs,))[1]
  return jax.tree.map(jnp.multiply, signs, product)


def scale_by_sophia(
  b1: float, b2: float, gamma: float, interval: int, eps: float = 1e-12
) -> optax.GradientTransformationExtraArgs:
  """Sophia's direction clip(m / max(gamma h, eps), 1).

  The update takes the keywords obj_fn, the loss, and key, a random key.

  Args:
    b1: Decay of the momentum m.
    b2: Decay of the curvature h.
    gamma: Larger values clip fewer coordinates.
    interval: Steps from one estimate of the curvature to the next.
    eps: Replaces curvature that is smaller or negative.
  """

  def init(params):
    zeros = jax.tree.map(jnp.zeros_like, params)
    return SophiaState(jnp.zeros((), jnp.int32), zeros, zeros)

  def ratio(m, h):
    # Comparisons are false for NaN, while minimum and maximum may drop NaN.
    u = m / jnp.where(gamma * h <= eps, eps, gamma * h)
    return jnp.where(jnp.abs(u) <= 1, u, jnp.sign(u))

  def update(updates, state, params: PyTree = None, **given):
    mean = optax.tree.update_moment(updates, state.mean, b1, 1)

    def estimated(before):
      found = hutchinson(given['obj_fn'], params, given['key'])
      return optax.tree.update_moment(found, before, b2, 1)

    curvature = jax.lax.cond(
      state.count % interval == 0, estimated, lambda h: h, state.curvature
    )
    direction = jax.tree.map(ratio, mean, curvature)
    return direction, SophiaState(state.count + 1, mean, curvature)

  return optax.GradientTransformationExtraArgs(init, update)


def build(
  task, *, learning_rate, beta1, beta2, gamma, interval, weight_decay,
  warmup, **options
):  # fmt: skip
  """Return Sophia as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    beta1: Decay of the momentum.
    beta2: Decay of the curvature.
    gamma: Larger values clip fewer coordinates.
    interval: Steps from one estimate of the curvature to the next.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  tx = optax.chain(
    scale_by_sophia(beta1, beta2, gamma, interval),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.00206, 'beta1': 0.9, 'beta2': 0.99, 'gamma': 0.0255,
  'interval': 10, 'weight_decay': 0.0341, 'warmup': 0.05, 'grad_clip': 1.0,
  'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'beta1': {'feasible_points': [0.9, 0.96]},
  'beta2': {'feasible_points': [0.99]},
  'gamma': {'min': 0.005, 'max': 0.1, 'scaling': 'log'},
  'interval': {'feasible_points': [10]},
  'weight_decay': {'min': 0.01, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
}
