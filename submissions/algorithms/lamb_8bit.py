"""LAMB with Adam's moments in eight bits.

Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization",
arXiv:2110.02861; see eight_bit.py and lamb.py. The trust ratio is computed in
32 bits. (In the authors' later code this name means Adam.) State: 2.03 bytes a
parameter.
"""

from submissions import eight_bit, schedules
from submissions.submission import from_optax


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, floor, block, never_zero, **options
):  # fmt: skip
  """Return LAMB in eight bits as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    floor: Smallest length that weights count as; 0 in the paper.
    block: Numbers in a block, which share their largest magnitude.
    never_zero: Positive second moments stay positive.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  tx = eight_bit.writer(
    eight_bit.adam(1 - one_minus_beta1, beta2, eps=1e-6),
    schedule,
    exempt=task.mask('embedding'),
    weight_decay=weight_decay,
    trust=eight_bit.Trust(task.mask('weight', 'head', 'embedding'), floor),
    block=block,
    never_zero=never_zero,
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


SELF = {  # LAMB's point.
  'learning_rate': 0.0102, 'one_minus_beta1': 0.0888, 'beta2': 0.95,
  'weight_decay': 0.522, 'warmup': 0.05, 'floor': 0.0, 'grad_clip': 0.3,
  'label_smoothing': 0.1, 'dropout': 0.0, 'never_zero': True, 'block': 256,
}  # fmt: skip
SPACE = {  # LAMB's space.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.05, 'max': 0.3, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 1e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'floor': {'feasible_points': [0.0]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'block': {'feasible_points': [256]},
  'never_zero': {'feasible_points': [True]},
}
