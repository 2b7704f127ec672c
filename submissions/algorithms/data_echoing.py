"""AdamW that makes several steps on each batch.

Choi et al. 2019, "Faster Neural Network Training with Data Echoing",
arXiv:1907.05550: batch echoing. Each step has its own dropout mask. Echoing
helps if loading a batch takes longer than a step; otherwise this submission is
for comparison. The rate reaches zero after all steps of the budget, which use a
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
  """Return AdamW with data echoing as a submission.

  Args:
    task: Workload and step budget.
    echoes: Steps on each batch.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  # Whole echoes of whole dispatches: the last state is yielded.
  unit = echoes * task.per_dispatch
  steps = max(1, task.steps // unit) * unit
  schedule = schedules.warmup_cosine(learning_rate, warmup, steps)
  tx = optax.adamw(
    schedule, 1 - one_minus_beta1, beta2, weight_decay=weight_decay
  )
  adamw = from_optax(task, tx, schedule=schedule, steps=steps, **options)

  def train(start):
    def batches(size, stack=1):
      for batch in start.batches(size, stack):
        yield from itertools.repeat(batch, echoes)

    # Yields only between batches: a resumed trial cannot draw a batch again.
    loop = adamw.train(start._replace(batches=batches))
    yield from itertools.islice(loop, echoes - 1, None, echoes)

  return adamw._replace(train=train)


SELF = {  # AdamW's point, with the paper's smallest number of echoes.
  'echoes': 2, 'learning_rate': 0.00449, 'one_minus_beta1': 0.211,
  'beta2': 0.999, 'weight_decay': 0.0465, 'warmup': 0.05,
  'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # AdamW's space.
  'echoes': {'feasible_points': [2, 4]},
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
