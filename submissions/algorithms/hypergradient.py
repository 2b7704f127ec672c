"""AdamW that turns its rate up while gradients agree with the last step.

Wang et al. 2023, "FedHyper: A Universal and Robust Learning Rate Scheduler for
Federated Learning with Hypergradient Descent", arXiv:2310.03156, here on a
single node; the idea is from Baydin et al. 2018, arXiv:1703.04782. The
derivative of the loss by the last rate is -<g, u>, with u Adam's last direction
and g the gradient after it. Lengths say nothing here, so the rate is multiplied
by 1 + step * cos(g, u), and stays within a factor of `bound` of its schedule.
u is made again from Adam's moments, not kept. State: 8 bytes a parameter.
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
  factor: Array  # On the schedule.
  rate: Array  # Of the last step.


def hypergradient(
  schedule: optax.Schedule,
  b1: float,
  b2: float,
  weight_decay: float,
  step: float,
  bound: float,
) -> optax.GradientTransformation:
  """AdamW with that rate.

  Args:
    schedule: The rate without it.
    b1: Of the mean.
    b2: Of the mean square.
    weight_decay: Decoupled; reaches every parameter.
    step: The largest relative change of the rate in one step.
    bound: The rate stays between schedule / bound and schedule * bound.
  """
  adam = optax.scale_by_adam(b1, b2)

  def init(params):
    return Turned(adam.init(params), jnp.ones(()), jnp.zeros(()))

  def update(updates, state, params: PyTree = None):
    last = direction(state.adam, b1, b2)
    size = optax.tree.norm(updates) * optax.tree.norm(last)
    cosine = optax.tree.vdot(updates, last) / jnp.maximum(size, 1e-30)
    factor = jnp.clip(state.factor * (1 + step * cosine), 1 / bound, bound)
    rate = factor * schedule(state.adam.count)
    updates, below = adam.update(updates, state.adam)
    updates = jax.tree.map(
      lambda u, x: -rate * (u + weight_decay * x), updates, params
    )
    return updates, Turned(below, factor, rate)

  return optax.GradientTransformation(init, update)


def direction(adam, b1: float, b2: float, eps: float = 1e-8) -> PyTree:
  """Adam's last direction, from its state; zero before the first step."""
  count = jnp.maximum(adam.count, 1)
  mean = optax.tree.bias_correction(adam.mu, b1, count)
  square = optax.tree.bias_correction(adam.nu, b2, count)
  return jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), mean, square)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay, warmup, step,
  bound, schedule='constant', **options
):  # fmt: skip
  base, steps = schedules.by_name(schedule, learning_rate, warmup, task.steps)
  tx = hypergradient(
    base, 1 - one_minus_beta1, beta2, weight_decay, step, bound
  )
  adamw = from_optax(task, tx, steps=steps, **options)

  def scalars(progress):  # A copy: the next step is given the state's own.
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
SPACE = {  # AdamW's.
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
  'constant': {  # As the paper has it: nothing else changes the rate.
    'learning_rate': 0.00449, 'one_minus_beta1': 0.211, 'beta2': 0.999,
    'weight_decay': 0.0465, 'warmup': 0.05, 'label_smoothing': 0.05,
    'step': 0.02, 'bound': 3.0,
  },
}  # fmt: skip
