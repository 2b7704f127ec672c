"""MoMo-Adam: Adam with a rate from the distance of the loss to its floor.

Schaipp, Ohana, Eickenberg, Defazio and Gower 2023, "MoMo: Momentum Models for
Adaptive Learning Rates", arXiv:2305.07583. State: 8 bytes a parameter.
"""

import optax

from submissions import learning_rate_free, schedules
from submissions.submission import from_optax


def build(
  task, *, learning_rate, one_minus_beta1, one_minus_beta2, floor,
  estimate, weight_decay, warmup, decay, **options
):  # fmt: skip
  """Return MoMo-Adam as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Cap on the learning rate.
    one_minus_beta1: One minus the decay of the mean.
    one_minus_beta2: One minus the decay of the mean square.
    floor: Smallest loss possible.
    estimate: Treat floor as a lower bound, and estimate it during training.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    decay: Name of a schedule in schedules.KINDS.
    **options: Options of from_optax.
  """
  schedule, steps = schedules.by_name(decay, learning_rate, warmup, task.steps)
  tx = optax.contrib.momo_adam(
    schedule,
    b1=1 - one_minus_beta1,
    b2=1 - one_minus_beta2,
    lower_bound=floor,
    weight_decay=weight_decay,
    adapt_lower_bound=estimate,
  )
  tx = learning_rate_free.proximal(tx, schedule, weight_decay)
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.01, 'one_minus_beta1': 0.102, 'one_minus_beta2': 0.0981,
  'floor': 0.0, 'estimate': False, 'weight_decay': 0.332, 'warmup': 0.1,
  'decay': 'cosine', 'label_smoothing': 0.0, 'dropout': 0.0, 'grad_clip': 0.3,
}  # fmt: skip
SPACE = {  # Space for calibration; the cap is the authors'.
  'learning_rate': {'feasible_points': [0.01]},
  'one_minus_beta1': {'min': 0.02, 'max': 0.3, 'scaling': 'log'},
  'one_minus_beta2': {'min': 1e-3, 'max': 0.1, 'scaling': 'log'},
  'floor': {'feasible_points': [0.0]},
  'estimate': {'feasible_points': [False, True]},
  'weight_decay': {'min': 1e-3, 'max': 0.5, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.0, 0.02, 0.05, 0.1]},
  'decay': {'feasible_points': ['constant', 'linear', 'cosine']},
}
POINTS = {
  'default': {  # The authors' defaults.
    'learning_rate': 0.01, 'one_minus_beta1': 0.1, 'one_minus_beta2': 0.001,
    'floor': 0.0, 'estimate': False, 'weight_decay': 0.0, 'warmup': 0.0,
    'decay': 'constant',
  },
}  # fmt: skip
