"""Lion: the sign of an interpolated momentum.

Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms",
arXiv:2302.06675. State: 4 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax


def build(
  task, *, learning_rate, beta1, beta2, weight_decay, warmup,
  **options
):  # fmt: skip
  """Return Lion as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    beta1: Weight of the momentum in the direction.
    beta2: Decay of the momentum.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  tx = optax.lion(schedule, beta1, beta2, weight_decay=weight_decay)
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.002, 'beta1': 0.9, 'beta2': 0.95, 'weight_decay': 1.61,
  'warmup': 0.05, 'grad_clip': 0.3, 'label_smoothing': 0.1, 'dropout': 0.0,
}  # fmt: skip
SPACE = {  # AdamW's, with rates about 5 times smaller, decays 5 times larger.
  'learning_rate': {'min': 2e-5, 'max': 2e-3, 'scaling': 'log'},
  'beta1': {'feasible_points': [0.9, 0.95]},
  'beta2': {'feasible_points': [0.98, 0.99]},
  'weight_decay': {'min': 0.02, 'max': 5.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
