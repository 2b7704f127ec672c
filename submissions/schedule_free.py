"""Schedule-free AdamW: trains at one point, is evaluated at the average.

Defazio et al. 2024, "The Road Less Scheduled", arXiv:2405.15682. Needs no
horizon, so it goes on until it is stopped. State: 8 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, **options
):  # fmt: skip
  schedule = schedules.warmup_constant(learning_rate, warmup, task.steps)
  tx = optax.contrib.schedule_free_adamw(
    schedule,  # pyrefly: ignore
    b1=1 - one_minus_beta1,
    b2=beta2,
    weight_decay=weight_decay,
  )
  average = optax.contrib.schedule_free_eval_params
  return from_optax(task, tx, schedule=schedule, eval_params=average, **options)


SELF = {  # Found by hand on the mini suite.
  'learning_rate': 0.006, 'one_minus_beta1': 0.1, 'beta2': 0.999,
  'weight_decay': 0.1, 'warmup': 0.05, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {
  'learning_rate': {'min': 3e-4, 'max': 3e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.2, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 0.5, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
}
