"""AdamW with a growing batch size instead of a decaying rate.

Smith, Kindermans, Ying and Le 2018, "Don't Decay the Learning Rate, Increase
the Batch Size", arXiv:1711.00489. Each phase has a batch size of its own, whose
step is compiled when the phase begins. The rate decays only in the last phase.
State: 8 bytes a parameter.
"""

import optax

from submissions import phases
from submissions.submission import from_optax


def build(
  task, *, shares, factors, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, **options
):  # fmt: skip
  """Return AdamW with growing batches as a submission.

  Args:
    task: Workload and step budget.
    shares: Share of the examples that each phase sees.
    factors: Batch size of each phase, relative to the task's.
    learning_rate: Learning rate before the last phase.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  plan = phases.plan(task, shares, factors)
  schedule = phases.scaled(learning_rate, warmup, plan, power=0.0)
  tx = optax.adamw(
    schedule, 1 - one_minus_beta1, beta2, weight_decay=weight_decay
  )
  adamw = from_optax(task, tx, schedule=schedule, **options)
  return phases.in_turn(task, adamw, plan)


SELF = {  # AdamW's point; shares and factors are ours.
  'shares': [0.4, 0.3, 0.3], 'factors': [1, 2, 4], 'learning_rate': 0.00449,
  'one_minus_beta1': 0.211, 'beta2': 0.999, 'weight_decay': 0.0465,
  'warmup': 0.05, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # AdamW's space.
  'shares': {'feasible_points': [[0.4, 0.3, 0.3]]},
  'factors': {'feasible_points': [[1, 2, 4]]},
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
