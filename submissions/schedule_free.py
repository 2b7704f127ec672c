"""Schedule-free AdamW: trains at one point, is evaluated at the average.

Defazio et al. 2024, "The Road Less Scheduled", arXiv:2405.15682. Needs no
horizon, so it goes on until it is stopped. Batch-norm statistics are those of
the average. State: 8 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.averaging import follow_statistics
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
