"""Schedule-free AdamW: trains at one point, is evaluated at the average.

Defazio et al. 2024, "The Road Less Scheduled", arXiv:2405.15682. Needs no
horizon, so it goes on until it is stopped. Batch-norm statistics are those of
the average. State: 8 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.averaging import follow_statistics
from submissions.submission import from_optax


def adamw(
  schedule: optax.Schedule, b1: float, b2: float, weight_decay: float
) -> optax.GradientTransformationExtraArgs:
  """`optax.contrib.schedule_free_adamw` with the authors' weights.

  Parameters count in the average as the square of the rate of their own step.
  optax counts the steps of its averages from one, so it takes the rate of the
  next: in a warmup that is 20 % off after four steps.
  """
  inner = optax.chain(
    optax.scale_by_rms(b2, 1e-8, eps_in_sqrt=False, bias_correction=True),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  return optax.contrib.schedule_free(inner, lambda t: schedule(t - 1), b1)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, **options
):  # fmt: skip
  schedule = schedules.warmup_constant(learning_rate, warmup, task.steps)
  tx = adamw(schedule, 1 - one_minus_beta1, beta2, weight_decay)
  average = optax.contrib.schedule_free_eval_params
  submission = from_optax(
    task, tx, schedule=schedule, eval_params=average, **options
  )
  return follow_statistics(task, submission)


# By hand, on the mini suite. `runner tune --points=4` found none better.
SELF = {
  'learning_rate': 0.006, 'one_minus_beta1': 0.1, 'beta2': 0.999,
  'weight_decay': 0.1, 'warmup': 0.05, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = [  # Published: the five points of AlgoPerf's second entry, rounded.
  {'learning_rate': 0.003, 'one_minus_beta1': 0.1, 'beta2': 0.9955,
   'weight_decay': 0.08, 'warmup': 0.02, 'dropout': 0.0,
   'label_smoothing': 0.2},
  {'learning_rate': 0.004, 'one_minus_beta1': 0.1, 'beta2': 0.9955,
   'weight_decay': 0.08, 'warmup': 0.02, 'dropout': 0.1,
   'label_smoothing': 0.4},
  {'learning_rate': 0.005, 'one_minus_beta1': 0.1, 'beta2': 0.62918,
   'weight_decay': 0.08, 'warmup': 0.02, 'dropout': 0.0,
   'label_smoothing': 0.4},
  {'learning_rate': 0.01, 'one_minus_beta1': 0.075, 'beta2': 0.99,
   'weight_decay': 0.04, 'warmup': 0.02, 'dropout': 0.0,
   'label_smoothing': 0.1},
  {'learning_rate': 0.002, 'one_minus_beta1': 0.1, 'beta2': 0.9955,
   'weight_decay': 0.08, 'warmup': 0.02, 'dropout': 0.0,
   'label_smoothing': 0.2},
]  # fmt: skip
POINTS = {
  'published': {  # AlgoPerf's second self-tuning entry; its warmup is x 0.75.
    'learning_rate': 0.0025, 'one_minus_beta1': 0.1,
    'beta2': 0.9955159689799007, 'weight_decay': 0.08121616522670176,
    'warmup': 0.015, 'label_smoothing': 0.2,
  },
}  # fmt: skip
