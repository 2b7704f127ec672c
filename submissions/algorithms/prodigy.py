"""Prodigy: D-Adaptation that trusts recent gradients more, and grows faster.

Mishchenko and Defazio 2023, "Prodigy: An Expeditiously Adaptive Parameter-Free
Learner", arXiv:2306.06101. Adam's bias correction is on, as in optax; the
authors' package leaves it off by default. State: 16 bytes a parameter.
"""

import optax

from submissions import learning_rate_free, schedules
from submissions.submission import from_optax


def build(
  task, *, one_minus_beta1, one_minus_beta2, weight_decay, warmup,
  decay, **options
):  # fmt: skip
  """Return Prodigy as a submission.

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
    optax.contrib.prodigy(
      schedule,
      betas=(1 - one_minus_beta1, 1 - one_minus_beta2),
      weight_decay=weight_decay,
      safeguard_warmup=warmup > 0,  # Small rates would raise the estimate.
    )
  )
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'one_minus_beta1': 0.206, 'one_minus_beta2': 0.0186, 'weight_decay': 0.00315,
  'warmup': 0.05, 'decay': 'cosine', 'label_smoothing': 0.0, 'dropout': 0.0,
  'grad_clip': 1.0,
}  # fmt: skip
SPACE = {  # Wide on purpose, for calibration.
  'one_minus_beta1': {'min': 0.02, 'max': 0.3, 'scaling': 'log'},
  'one_minus_beta2': {'min': 1e-3, 'max': 0.1, 'scaling': 'log'},
  'weight_decay': {'min': 1e-3, 'max': 0.5, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.0, 0.02, 0.05, 0.1]},
  'decay': {'feasible_points': ['constant', 'linear', 'cosine']},
}
POINTS = {
  'default': {  # The authors' defaults and the schedule that they recommend.
    'one_minus_beta1': 0.1, 'one_minus_beta2': 0.001, 'weight_decay': 0.0,
    'warmup': 0.0, 'decay': 'cosine',
  },
}  # fmt: skip
