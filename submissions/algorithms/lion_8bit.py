"""Lion with its momentum in eight bits, and cosine decay.

Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization",
arXiv:2110.02861; see eight_bit.py. Lion is in the authors' later code. State:
1.02 bytes a parameter.
"""

from submissions import eight_bit, schedules
from submissions.submission import from_optax


def build(
  task, *, learning_rate, beta1, beta2, weight_decay, warmup, block,
  **options
):  # fmt: skip
  """Return Lion in eight bits as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    beta1: Weight of the momentum in the direction.
    beta2: Decay of the momentum.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    block: Numbers in a block, which share their largest magnitude.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  tx = eight_bit.writer(
    eight_bit.lion(beta1, beta2),
    schedule,
    exempt=task.mask('embedding'),
    weight_decay=weight_decay,
    block=block,
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


SELF = {  # Lion's point.
  'learning_rate': 0.002, 'beta1': 0.9, 'beta2': 0.95, 'weight_decay': 1.61,
  'warmup': 0.05, 'grad_clip': 0.3, 'label_smoothing': 0.1, 'dropout': 0.0,
  'block': 256,
}  # fmt: skip
SPACE = {  # Lion's space.
  'learning_rate': {'min': 2e-5, 'max': 2e-3, 'scaling': 'log'},
  'beta1': {'feasible_points': [0.9, 0.95]},
  'beta2': {'feasible_points': [0.98, 0.99]},
  'weight_decay': {'min': 0.02, 'max': 5.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'block': {'feasible_points': [256]},
}
