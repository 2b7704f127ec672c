"""AdEMAMix: AdamW with a second, slow momentum of very old gradients.

Pagliardini, Ablin and Grangier 2024, "The AdEMAMix Optimizer: Better, Faster,
Older", arXiv:2409.03137. The weight alpha and the decay beta3 of the slow
momentum grow over a share `ramp` of the steps. State: 12 bytes a parameter.
"""

import jax.numpy as jnp
import optax

from submissions import schedules
from submissions.submission import from_optax


def rising_alpha(alpha: float, steps: int) -> optax.Schedule:
  """Weight of the slow momentum: alpha min(t / steps, 1), t from one on."""
  return lambda count: alpha * jnp.minimum((count + 1) / steps, 1.0)


def rising_beta3(beta1: float, beta3: float, steps: int) -> optax.Schedule:
  """Decay of the slow momentum, whose half-life grows linearly.

  Args:
    beta1: Decay at the first step.
    beta3: Decay after the growth.
    steps: Steps of the growth.
  """

  def schedule(count):
    s = jnp.minimum((count + 1) / steps, 1.0)
    low, high = jnp.log(beta1), jnp.log(beta3)
    return jnp.exp(low * high / ((1 - s) * high + s * low))

  return schedule


def build(
  task, *, learning_rate, one_minus_beta1, beta2, beta3, alpha, ramp,
  weight_decay, warmup, **options
):  # fmt: skip
  """Return AdEMAMix as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    beta3: Last decay of the slow momentum.
    alpha: Last weight of the slow momentum.
    ramp: Share of the steps in which beta3 and alpha grow.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  beta1, rise = 1 - one_minus_beta1, max(1, int(ramp * task.steps))
  tx = optax.contrib.ademamix(
    schedule,
    beta1,
    beta2,
    b3=rising_beta3(beta1, beta3, rise),
    alpha=rising_alpha(alpha, rise),
    weight_decay=weight_decay,
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.00375, 'one_minus_beta1': 0.18, 'beta2': 0.98,
  'beta3': 0.99, 'alpha': 5.0, 'ramp': 1.0, 'weight_decay': 0.108,
  'warmup': 0.1, 'grad_clip': 1.0, 'label_smoothing': 0.05, 'dropout': 0.0,
}  # fmt: skip
SPACE = {
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'feasible_points': [0.1]},
  'beta2': {'feasible_points': [0.999]},
  'beta3': {'feasible_points': [0.99, 0.999, 0.9999]},
  'alpha': {'feasible_points': [2.0, 5.0, 8.0]},
  'ramp': {'feasible_points': [1.0]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
}
POINTS = {
  # AlgoPerf's entry has a ramp of half a million steps, for any workload.
  'published': {
    'learning_rate': 0.002, 'one_minus_beta1': 0.2, 'beta2': 0.995,
    'beta3': 0.9995, 'alpha': 8.0, 'ramp': 1.0, 'weight_decay': 0.1,
    'warmup': 0.02, 'grad_clip': 0.5,
  },
}  # fmt: skip
