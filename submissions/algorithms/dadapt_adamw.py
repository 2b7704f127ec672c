"""D-Adaptation: AdamW with the estimated distance to the solution as its rate.

Defazio and Mishchenko 2023, "Learning-Rate-Free Learning by D-Adaptation",
arXiv:2301.07733. As in optax, the growth of the estimate is not limited, and
Adam's bias correction is on; the authors' package leaves it off by default.
State: 12 bytes a parameter.
"""

import optax

from submissions import learning_rate_free, schedules
from submissions.submission import from_optax


def build(
  task, *, one_minus_beta1, one_minus_beta2, weight_decay, warmup,
  decay, **options
):  # fmt: skip
  """Return D-Adapted AdamW as a submission.

  Args:
    task: Workload and step budget.
    one_minus_beta1: One minus the decay of the mean.
    one_minus_beta2: One minus the decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    decay: Name of a schedule in schedules.KINDS.
    **options: Options of from_optax.
  """
  schedule, steps = schedules.by_name(decay, 1.0, warmup, task.steps)
  tx = learning_rate_free.guard(
    optax.contrib.dadapt_adamw(
      schedule,
      betas=(1 - one_minus_beta1, 1 - one_minus_beta2),
      weight_decay=weight_decay,
    )
  )
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'one_minus_beta1': 0.228, 'one_minus_beta2': 0.00349, 'weight_decay': 0.0677,
  'warmup': 0.05, 'decay': 'linear', 'label_smoothing': 0.1, 'dropout': 0.0,
  'grad_clip': 0.3,
}  # fmt: skip
SPACE = {  # Wide on purpose, for calibration.
  'one_minus_beta1': {'min': 0.02, 'max': 0.3, 'scaling': 'log'},
  'one_minus_beta2': {'min': 1e-3, 'max': 0.1, 'scaling': 'log'},
  'weight_decay': {'min': 1e-3, 'max': 0.5, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.0, 0.02, 0.05, 0.1]},
  'decay': {'feasible_points': ['constant', 'linear', 'cosine']},
}
POINTS = {
  'default': {  # The defaults of optax and of the authors' package.
    'one_minus_beta1': 0.1, 'one_minus_beta2': 0.001, 'weight_decay': 0.0,
    'warmup': 0.0, 'decay': 'constant',
  },
}  # fmt: skip
