"""Sophia: momentum over the diagonal of the Hessian, clipped.

Liu et al. 2023, "Sophia: A Scalable Stochastic Second-order Optimizer for
Language Model Pre-training", arXiv:2305.14342, with Hutchinson's estimator
(Sophia-H): the product of the Hessian with random signs, in every
`interval`-th step. State: 8 bytes a parameter.
"""

import jax
import jax.numpy as jnp
import optax

from submissions import schedules
from submissions.submission import from_optax
from workloads.workload import PyTree


def hutchinson() -> optax.GradientTransformationExtraArgs:
  """signs * (Hessian @ signs), whose mean over signs is the diagonal.

  As optax's, but with the key it is given: optax draws the same signs in every
  trial.
  """

  def update(updates, state, params: PyTree = None, **given):
    del updates
    signs = optax.tree.random_like(
      given['key'], params, jax.random.rademacher, dtype=jnp.float32
    )
    product = jax.jvp(jax.grad(given['obj_fn']), (params,), (signs,))[1]
    return jax.tree.map(jnp.multiply, signs, product), state

  return optax.GradientTransformationExtraArgs(
    lambda params: optax.EmptyState(), update
  )


def build(
  task, *, learning_rate, beta1, beta2, gamma, interval, weight_decay,
  warmup, **options
):  # fmt: skip
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  tx = optax.contrib.sophia(
    schedule,
    beta1,
    beta2,
    eps=1e-12,
    weight_decay=weight_decay,
    gamma=gamma,
    update_interval=interval,
    hessian_diagonal_fn=hutchinson(),
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


SELF = {  # By python -m runner tune --submissions=sophia --points=4.
  'learning_rate': 0.00206, 'beta1': 0.9, 'beta2': 0.99, 'gamma': 0.0255,
  'interval': 10, 'weight_decay': 0.0341, 'warmup': 0.05,
  'grad_clip': 1.0, 'label_smoothing': 0.05,
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
