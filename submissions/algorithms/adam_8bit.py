"""Adam with its moments in eight bits, and cosine decay.

Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization",
arXiv:2110.02861; see eight_bit.py. No weight decay. State: 2.03 bytes a
parameter.
"""

from submissions.algorithms import adamw_8bit


def build(
  task, *, learning_rate, one_minus_beta1, beta2, warmup, block, never_zero,
  **options
):  # fmt: skip
  """Return Adam in eight bits as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    warmup: Share of the steps that rises to the largest rate.
    block: Numbers in a block, which share their largest magnitude.
    never_zero: Positive second moments stay positive.
    **options: Options of from_optax.
  """
  return adamw_8bit.build(
    task,
    learning_rate=learning_rate,
    one_minus_beta1=one_minus_beta1,
    beta2=beta2,
    weight_decay=0.0,
    warmup=warmup,
    block=block,
    never_zero=never_zero,
    **options,
  )


SELF = {  # AdamW's point.
  'learning_rate': 0.00748, 'one_minus_beta1': 0.151, 'beta2': 0.99,
  'warmup': 0.05, 'label_smoothing': 0.1, 'dropout': 0.0, 'grad_clip': 0.3,
  'block': 256, 'never_zero': True,
}  # fmt: skip
SPACE = {  # AdamW's space.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.02, 'max': 0.5, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'block': {'feasible_points': [256]},
  'never_zero': {'feasible_points': [True]},
}
