"""Mechanic: learns a factor on the updates of another method, here NAdamW.

Cutkosky, Defazio and Mehta 2023, "Mechanic: A Learning Rate Tuner",
arXiv:2306.00144. The variant is that of optax, by the authors: six betas and a
first factor of 1e-6. Unlike in the paper, the product that is bet on is clipped
to the largest so far. Mechanic squares products of gradients and distances, so
gradients are clipped to a norm of 1e10: longer ones would make the factor
infinite. State: 12 bytes a parameter, 8 of them NAdamW's.
"""

import optax

from submissions import schedules, transforms
from submissions.submission import from_optax


def build(
  task, *, one_minus_beta1, one_minus_beta2, weight_decay, warmup,
  decay, shrink, **options
):  # fmt: skip
  """Return Mechanic as a submission.

  Args:
    task: Workload and step budget.
    one_minus_beta1: One minus the decay of the mean.
    one_minus_beta2: One minus the decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    decay: Name of a schedule in schedules.KINDS.
    shrink: Mechanic's own weight decay, `weight_decay` in optax.
    **options: Options of from_optax.
  """
  schedule, steps = schedules.by_name(decay, 1.0, warmup, task.steps)
  base = optax.chain(
    transforms.scale_by_nadam(1 - one_minus_beta1, 1 - one_minus_beta2),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  tx = optax.chain(
    transforms.clipped(1e10), optax.contrib.mechanize(base, weight_decay=shrink)
  )
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'one_minus_beta1': 0.19, 'one_minus_beta2': 0.0203, 'weight_decay': 0.0513,
  'warmup': 0.1, 'decay': 'cosine', 'shrink': 0.01, 'grad_clip': 0.3,
  'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # Wide on purpose, for calibration.
  'one_minus_beta1': {'min': 0.02, 'max': 0.3, 'scaling': 'log'},
  'one_minus_beta2': {'min': 1e-3, 'max': 0.1, 'scaling': 'log'},
  'weight_decay': {'min': 1e-3, 'max': 0.5, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.0, 0.02, 0.05, 0.1]},
  'decay': {'feasible_points': ['constant', 'linear', 'cosine']},
  'shrink': {'feasible_points': [0.01]},
}
POINTS = {
  'default': {  # The authors' `shrink`, Adam's betas, no schedule.
    'one_minus_beta1': 0.1, 'one_minus_beta2': 0.001, 'weight_decay': 0.0,
    'warmup': 0.0, 'decay': 'constant', 'shrink': 0.01,
  },
}  # fmt: skip
