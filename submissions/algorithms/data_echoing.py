"""AdamW that takes several steps on each batch drawn.

Choi et al. 2019, "Faster Neural Network Training with Data Echoing",
arXiv:1907.05550: batch echoing. Each of the steps draws its own dropout. It
pays where a batch takes longer to come than a step; elsewhere it is for
comparison. The rate reaches zero after as many steps as the budget has, on a
share of 1 / `echoes` of the examples. State: 8 bytes a parameter.
"""

import itertools

import optax

from submissions import schedules
from submissions.submission import from_optax


def build(
  task, *, echoes, learning_rate, one_minus_beta1, beta2, weight_decay, warmup,
  **options
):  # fmt: skip
  draws = max(1, task.steps // echoes)
  schedule = schedules.warmup_cosine(learning_rate, warmup, draws * echoes)
  tx = optax.adamw(
    schedule, 1 - one_minus_beta1, beta2, weight_decay=weight_decay
  )
  adamw = from_optax(
    task, tx, schedule=schedule, steps=draws * echoes, **options
  )

  def train(start):
    def batches(size, stack=1):
      for batch in start.batches(size, stack):
        yield from itertools.repeat(batch, echoes)

    # Only between batches: a resumed trial cannot draw the last one again.
    loop = adamw.train(start._replace(batches=batches))
    yield from itertools.islice(loop, echoes - 1, None, echoes)

  return adamw._replace(train=train)


SELF = {  # AdamW's; the paper's smallest number of echoes.
  'echoes': 2, 'learning_rate': 0.00449, 'one_minus_beta1': 0.211,
  'beta2': 0.999, 'weight_decay': 0.0465, 'warmup': 0.05,
  'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # AdamW's.
  'echoes': {'feasible_points': [2, 4]},
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
