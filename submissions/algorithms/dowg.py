"""DoWG: DoG with gradients weighted by the distance moved so far.

Khaled, Mishchenko and Jin 2023, "DoWG Unleashed", arXiv:2305.16284. Weight
decay is coupled: it enters the gradient. State: 4 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax


def build(
  task, *, first_distance, weight_decay, warmup, decay, **options
):  # fmt: skip
  """Return DoWG as a submission.

  Args:
    task: Workload and step budget.
    first_distance: Estimate of the distance before the first step.
    weight_decay: Weight decay, added to the gradient.
    warmup: Share of the steps that rises to the largest rate.
    decay: Name of a schedule in schedules.KINDS.
    **options: Options of from_optax.
  """
  schedule, steps = schedules.by_name(decay, 1.0, warmup, task.steps)
  tx = optax.contrib.dowg(
    schedule,
    init_estim_sq_dist=first_distance**2,
    weight_decay=weight_decay,
  )
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


SELF = {  # Defaults with a decay; ten times the distance was no better.
  'first_distance': 0.01, 'weight_decay': 0.0, 'warmup': 0.0,
  'decay': 'linear', 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # Wide on purpose, for calibration.
  'first_distance': {'min': 1e-4, 'max': 0.1, 'scaling': 'log'},
  'weight_decay': {'min': 1e-7, 'max': 1e-3, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.0, 0.02, 0.05, 0.1]},
  'decay': {'feasible_points': ['constant', 'linear', 'cosine']},
}
POINTS = {
  'default': {  # The default of the authors and optax, 1e-4, is the square.
    'first_distance': 0.01, 'weight_decay': 0.0, 'warmup': 0.0,
    'decay': 'constant',
  },
}  # fmt: skip
