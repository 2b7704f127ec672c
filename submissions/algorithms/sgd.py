"""Plain stochastic gradient descent with cosine decay, for comparison.

Robbins and Monro 1951, "A Stochastic Approximation Method". State: 0 bytes a
parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax


def build(task, *, learning_rate, weight_decay, warmup, **options):
  """Return SGD as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    weight_decay: Weight decay, added to the gradient.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  tx = optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(schedule))
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


SELF = {  # Tuned: python -m runner tune --submissions=sgd --points=4.
  'learning_rate': 1.0, 'weight_decay': 1e-6, 'warmup': 0.05,
  'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {
  'learning_rate': {'min': 0.02, 'max': 20.0, 'scaling': 'log'},
  'weight_decay': {'min': 1e-7, 'max': 5e-5, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
}
