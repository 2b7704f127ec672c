"""LAMB: Adam's update, scaled to the length of the weights, tensor by tensor.

You et al. 2020, "Large Batch Optimization for Deep Learning: Training BERT in
76 minutes", arXiv:1904.00962. The variant is the paper's second algorithm: both
moments are corrected for their bias, and weight decay is part of the update
that is scaled. The gradient is not divided by its norm first; NVIDIA's NVLAMB
does so. Biases and norm scales follow Adam, without weight decay and without
scaling. State: 8 bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax
from submissions.trust_ratio import scale_by_trust


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, floor, **options
):  # fmt: skip
  """Return LAMB as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    floor: Smallest length that weights count as; 0 in the experiments.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  weights = task.mask('weight', 'head', 'embedding')
  # optax.lamb can exempt leaves only from the decay, not from the ratio.
  tx = optax.chain(
    optax.scale_by_adam(1 - one_minus_beta1, beta2, eps=1e-6),
    optax.add_decayed_weights(weight_decay, weights),
    optax.masked(scale_by_trust(floor=floor), weights),
    optax.scale_by_learning_rate(schedule),
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.0102, 'one_minus_beta1': 0.0888, 'beta2': 0.95,
  'weight_decay': 0.522, 'warmup': 0.05, 'floor': 0.0, 'grad_clip': 0.3,
  'label_smoothing': 0.1, 'dropout': 0.0,
}  # fmt: skip
SPACE = {  # AlgoPerf's archived space of LAMB.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 0.05, 'max': 0.3, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 1e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'floor': {'feasible_points': [0.0]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
POINTS = {
  'default': {  # The paper's defaults; the rate and warmup are AdamW's usual.
    'learning_rate': 0.001, 'one_minus_beta1': 0.1, 'beta2': 0.999,
    'weight_decay': 0.01, 'warmup': 0.05, 'floor': 0.0,
  },
}  # fmt: skip
