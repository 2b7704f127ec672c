"""DoWG: DoG with gradients weighted by the distance walked so far.

Khaled, Mishchenko and Jin 2023, "DoWG Unleashed", arXiv:2305.16284. Weight
decay is coupled: it enters the gradient. State: 4 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax


def build(
  task, *, first_distance, weight_decay, warmup, decay, **options
):  # fmt: skip
  schedule, steps = schedules.by_name(decay, 1.0, warmup, task.steps)
  tx = optax.contrib.dowg(
    schedule,
    init_estim_sq_dist=first_distance**2,
    weight_decay=weight_decay,
  )
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


SELF = {  # The defaults with a decay, by hand; ten times as far did no better.
  'first_distance': 0.01, 'weight_decay': 0.0, 'warmup': 0.0,
  'decay': 'linear', 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # For calibration; wide on purpose.
  'first_distance': {'min': 1e-4, 'max': 0.1, 'scaling': 'log'},
  'weight_decay': {'min': 1e-7, 'max': 1e-3, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.0, 0.02, 0.05, 0.1]},
  'decay': {'feasible_points': ['constant', 'linear', 'cosine']},
}
POINTS = {
  'default': {  # The authors' and optax's: squared, their 1e-4.
    'first_distance': 0.01, 'weight_decay': 0.0, 'warmup': 0.0,
    'decay': 'constant',
  },
}  # fmt: skip
