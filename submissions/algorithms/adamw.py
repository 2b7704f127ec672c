"""AdamW with cosine decay, or with any other schedule of schedules.py.

Loshchilov and Hutter 2017, "Decoupled Weight Decay Regularization",
arXiv:1711.05101. State: 8 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, schedule='cosine', **options
):  # fmt: skip
  """Return AdamW as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    schedule: Name of a schedule in schedules.KINDS.
    **options: Options of from_optax.
  """
  rate, steps = schedules.by_name(schedule, learning_rate, warmup, task.steps)
  tx = optax.adamw(rate, 1 - one_minus_beta1, beta2, weight_decay=weight_decay)
  return from_optax(task, tx, schedule=rate, steps=steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.00748, 'one_minus_beta1': 0.151, 'beta2': 0.99,
  'weight_decay': 0.0498, 'warmup': 0.05, 'label_smoothing': 0.1,
  'dropout': 0.0, 'grad_clip': 0.3,
}  # fmt: skip
SPACE = {  # AlgoPerf's archived baseline: its "tuned beta1" space.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
POINTS = {  # SELF with other schedules; nothing else is tuned to them.
  'linear': {
    'learning_rate': 0.00748, 'one_minus_beta1': 0.151, 'beta2': 0.99,
    'weight_decay': 0.0498, 'warmup': 0.05, 'label_smoothing': 0.1,
    'dropout': 0.0, 'grad_clip': 0.3, 'schedule': 'linear',
  },
  'rex': {
    'learning_rate': 0.00748, 'one_minus_beta1': 0.151, 'beta2': 0.99,
    'weight_decay': 0.0498, 'warmup': 0.05, 'label_smoothing': 0.1,
    'dropout': 0.0, 'grad_clip': 0.3, 'schedule': 'rex',
  },
  'wsd': {
    'learning_rate': 0.00748, 'one_minus_beta1': 0.151, 'beta2': 0.99,
    'weight_decay': 0.0498, 'warmup': 0.05, 'label_smoothing': 0.1,
    'dropout': 0.0, 'grad_clip': 0.3, 'schedule': 'wsd',
  },
  'power': {
    'learning_rate': 0.00748, 'one_minus_beta1': 0.151, 'beta2': 0.99,
    'weight_decay': 0.0498, 'warmup': 0.05, 'label_smoothing': 0.1,
    'dropout': 0.0, 'grad_clip': 0.3, 'schedule': 'power',
  },
  'infinite': {
    'learning_rate': 0.00748, 'one_minus_beta1': 0.151, 'beta2': 0.99,
    'weight_decay': 0.0498, 'warmup': 0.05, 'label_smoothing': 0.1,
    'dropout': 0.0, 'grad_clip': 0.3, 'schedule': 'infinite',
  },
  'inverse_sqrt': {
    'learning_rate': 0.00748, 'one_minus_beta1': 0.151, 'beta2': 0.99,
    'weight_decay': 0.0498, 'warmup': 0.05, 'label_smoothing': 0.1,
    'dropout': 0.0, 'grad_clip': 0.3, 'schedule': 'inverse_sqrt',
  },
  'one_cycle': {
    'learning_rate': 0.00748, 'one_minus_beta1': 0.151, 'beta2': 0.99,
    'weight_decay': 0.0498, 'warmup': 0.3, 'label_smoothing': 0.1,
    'dropout': 0.0, 'grad_clip': 0.3, 'schedule': 'one_cycle',
  },
}  # fmt: skip
