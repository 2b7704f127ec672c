"""NAdamW with cosine decay: AlgoPerf's baseline, with its bias correction.

Dozat 2016, "Incorporating Nesterov Momentum into Adam". Weight decay is
decoupled and applied to every parameter. State: 8 bytes a parameter.
"""

import optax

from submissions import schedules, transforms
from submissions.submission import from_optax


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, **options
):  # fmt: skip
  """Return NAdamW as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  return following(
    task,
    schedule,
    one_minus_beta1=one_minus_beta1,
    beta2=beta2,
    weight_decay=weight_decay,
    **options,
  )


def following(
  task, schedule, *, one_minus_beta1, beta2, weight_decay, **options
):
  """Return NAdamW as a submission, with any learning-rate schedule.

  Args:
    task: The task passed to `build`.
    schedule: Learning rate by step.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    **options: Options of from_optax.
  """
  tx = optax.chain(
    transforms.scale_by_nadam(1 - one_minus_beta1, beta2),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.00706, 'one_minus_beta1': 0.17, 'beta2': 0.95,
  'weight_decay': 0.264, 'warmup': 0.05, 'grad_clip': 0.3,
  'label_smoothing': 0.05, 'dropout': 0.0,
}  # fmt: skip
SPACE = {  # AlgoPerf's archived baseline: its "tuned beta1" space.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 4e-3, 'max': 1e-1, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
