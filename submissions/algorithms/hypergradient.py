"""AdamW whose rate grows while gradients agree with the last step.

Wang et al. 2023, "FedHyper: A Universal and Robust Learning Rate Scheduler for
Federated Learning with Hypergradient Descent", arXiv:2310.03156, here on a
single node; the idea is from Baydin et al. 2018, arXiv:1703.04782. The
derivative of the loss by the last rate is -<g, u>: u is Adam's last direction,
g the gradient after that step. Only the angle counts, because the lengths are
arbitrary: the rate is multiplied by 1 + step * cos(g, u), and stays within a
factor of `bound` of its schedule. u is computed again from Adam's moments, not
stored. State: 8 bytes a parameter.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import schedules
from submissions.submission import from_optax
from workloads.workload import Array, PyTree


class Turned(NamedTuple):
  """The state of `hypergradient`."""

  adam: PyTree
  factor: Array  # Factor on the schedule.
  rate: Array  # Rate of the last step.


def hypergradient(
  schedule: optax.Schedule,
  b1: float,
  b2: float,
  weight_decay: float,
  step: float,
  bound: float,
) -> optax.GradientTransformation:
  """AdamW with a rate that follows the hypergradient.

  Args:
    schedule: The rate without the hypergradient.
    b1: Decay of the mean.
    b2: Decay of the mean square.
    weight_decay: Decoupled; applied to every parameter.
    step: Largest relative change of the rate in one step.
    bound: The rate stays between schedule / bound and schedule * bound.
  """
  adam = optax.scale_by_adam(b1, b2)

  def init(params):
    return Turned(adam.init(params), jnp.ones(()), jnp.zeros(()))

  def update(updates, state, params: PyTree = None):
    last = direction(state.adam, b1, b2)
    size = optax.tree.norm(updates) * optax.tree.norm(last)
    cosine = optax.tree.vdot(updates, last) / jnp.maximum(size, 1e-30)
    cosine = jnp.clip(cosine, -1, 1)  # The size of tiny gradients is zero.
    factor = jnp.clip(state.factor * (1 + step * cosine), 1 / bound, bound)
    rate = factor * schedule(state.adam.count)
    updates, below = adam.update(updates, state.adam)
    updates = jax.tree.map(
      lambda u, x: -rate * (u + weight_decay * x), updates, params
    )
    return updates, Turned(below, factor, rate)

  return optax.GradientTransformation(init, update)


def direction(adam, b1: float, b2: float, eps: float = 1e-8) -> PyTree:
  """Adam's last direction, from its state; zero before the first step.

  Args:
    adam: State of `optax.scale_by_adam`.
    b1: Decay of the mean.
    b2: Decay of the mean square.
    eps: Added to the root of the mean square.
  """
  count = jnp.maximum(adam.count, 1)
  mean = optax.tree.bias_correction(adam.mu, b1, count)
  square = optax.tree.bias_correction(adam.nu, b2, count)
  return jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), mean, square)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay, warmup, step,
  bound, schedule='constant', **options
):  # fmt: skip
  """Return AdamW with hypergradients as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest rate of the schedule.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    step: Largest relative change of the rate in one step.
    bound: Largest factor between the rate and its schedule.
    schedule: Name of a schedule in schedules.KINDS.
    **options: Options of from_optax.
  """
  base, steps = schedules.by_name(schedule, learning_rate, warmup, task.steps)
  tx = hypergradient(
    base, 1 - one_minus_beta1, beta2, weight_decay, step, bound
  )
  adamw = from_optax(task, tx, steps=steps, **options)

  def scalars(progress):  # Copied, because the next step donates the state.
    rate = jnp.copy(progress.state.opt.rate)
    return {**adamw.scalars(progress), 'learning_rate': rate}

  return adamw._replace(scalars=scalars)


# AdamW's; the bound is the paper's, the step a guess.
# `runner tune --points=4` found none better.
SELF = {
  'learning_rate': 0.00449, 'one_minus_beta1': 0.211, 'beta2': 0.999,
  'weight_decay': 0.0465, 'warmup': 0.05, 'label_smoothing': 0.05,
  'step': 0.02, 'bound': 3.0, 'schedule': 'linear',
}  # fmt: skip
SPACE = {  # AdamW's space.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'step': {'min': 2e-3, 'max': 0.1, 'scaling': 'log'},
  'bound': {'feasible_points': [3.0]},
  'schedule': {'feasible_points': ['constant', 'linear']},
}
POINTS = {
  'constant': {  # The paper's: nothing else changes the rate.
    'learning_rate': 0.00449, 'one_minus_beta1': 0.211, 'beta2': 0.999,
    'weight_decay': 0.0465, 'warmup': 0.05, 'label_smoothing': 0.05,
    'step': 0.02, 'bound': 3.0,
  },
}  # fmt: skip
