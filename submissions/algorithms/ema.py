"""NAdamW, evaluated at an exponential moving average of its parameters.

Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by
Averaging". The exponential average is from Tarvainen and Valpola 2017, "Mean
Teachers Are Better Role Models", arXiv:1703.01780. Batch-norm statistics are
those of the average. State: 12 bytes a parameter.
"""

import jax.numpy as jnp
import optax

from submissions import schedules, transforms
from submissions.averaging import average, averaged, follow_statistics
from submissions.submission import from_optax


def memory(decay: float):
  """Return weights for `averaged`, by step: 1 - min(decay, (1 + t) / (10 + t)).

  The first steps have larger weights, so the initial parameters vanish quickly.
  """
  return lambda t: 1 - jnp.minimum(decay, (1 + t) / (10 + t))


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, window, horizon, **options
):  # fmt: skip
  """Return NAdamW with averaging as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    window: Memory of the average, as a share of the steps.
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
    averaged(tx, memory(1 - 1 / max(1, window * task.steps))),
    schedule=schedule,
    eval_params=average,
    steps=int(horizon * task.steps),
    **options,
  )
  return follow_statistics(task, submission)


# NAdamW's, plus guesses. `runner tune --points=4` found none better.
SELF = {
  'learning_rate': 0.006, 'one_minus_beta1': 0.15, 'beta2': 0.98,
  'weight_decay': 0.3, 'warmup': 0.1, 'window': 0.05, 'horizon': 1.5,
  'grad_clip': 0.3, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # NAdamW's space, with window and horizon.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 4e-3, 'max': 1e-1, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'window': {'min': 0.005, 'max': 0.1, 'scaling': 'log'},
  'horizon': {'feasible_points': [1.0, 1.5, 2.0]},
}
