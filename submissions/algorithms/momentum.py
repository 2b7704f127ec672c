"""SGD with heavy-ball momentum and linear decay.

Polyak 1964, "Some methods of speeding up the convergence of iteration methods".
Weight decay is coupled: it enters the gradient before the momentum. State:
4 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax


def build(
  task, *, learning_rate, one_minus_beta1, weight_decay, warmup,
  end_factor, decay_steps_factor=1.0, **options
):  # fmt: skip
  """Return SGD with momentum as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the momentum.
    weight_decay: Weight decay, added to the gradient.
    warmup: Share of the steps that rises to the largest rate.
    end_factor: Last rate, relative to the largest rate.
    decay_steps_factor: Share of the steps after the warmup that decays.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_linear(
    learning_rate, warmup, task.steps, end_factor, decay_steps_factor
  )
  tx = optax.chain(
    optax.add_decayed_weights(weight_decay),
    optax.sgd(schedule, 1 - one_minus_beta1),
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.293, 'one_minus_beta1': 0.161, 'weight_decay': 2.87e-06,
  'warmup': 0.05, 'end_factor': 0.001, 'label_smoothing': 0.05,
  'decay_steps_factor': 0.9, 'dropout': 0.0, 'grad_clip': 1.0,
}  # fmt: skip
SPACE = {  # AlgoPerf's archived baseline.
  'learning_rate': {'min': 0.02, 'max': 5.0, 'scaling': 'log'},
  'one_minus_beta1': {'min': 5e-3, 'max': 0.3, 'scaling': 'log'},
  'weight_decay': {'min': 1e-7, 'max': 5e-5, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'end_factor': {'feasible_points': [0.001, 0.01]},
  'decay_steps_factor': {'feasible_points': [0.9]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
