"""The algorithm of of_v05 and of_v06, written for TimeTrial's own interface."""

import optax

from submissions.submission import from_optax


def build(task, *, learning_rate, beta1, weight_decay, **options):
  schedule = optax.linear_schedule(learning_rate, 0.0, task.steps)
  tx = optax.adamw(schedule, beta1, weight_decay=weight_decay)
  return from_optax(task, tx, **options)


SELF = {
  'learning_rate': 0.003, 'beta1': 0.9, 'weight_decay': 0.01,
  'label_smoothing': 0.1,
}  # fmt: skip
SPACE = [
  {
    "learning_rate": 0.003, "beta1": 0.9, "weight_decay": 0.01,
    "label_smoothing": 0.1,
  }
]  # fmt: skip
