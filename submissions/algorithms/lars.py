"""LARS: momentum whose rate is in proportion to the weights, tensor by tensor.

You, Gitman and Ginsburg 2017, "Large Batch Training of Convolutional Networks",
arXiv:1708.03888. The variant is that of optax, but for the floor: the rate is
multiplied by trust |w| / |g + decay w|, where the paper has |g| + decay |w|. As
in the paper, the rate comes before the momentum, which is heavy-ball. Biases
and norm scales follow it at the same rate, neither decayed nor scaled. `floor`
is the least length that weights are taken to have, 0 in the paper. State: 4
bytes a parameter.
"""

import optax

from submissions import schedules
from submissions.submission import from_optax
from submissions.trust_ratio import scale_by_trust


def build(
  task, *, learning_rate, one_minus_beta, trust, weight_decay,
  warmup, floor, **options
):  # fmt: skip
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  weights = task.mask('weight', 'head', 'embedding')
  tx = optax.chain(
    optax.add_decayed_weights(weight_decay, weights),
    optax.masked(scale_by_trust(trust, floor), weights),
    optax.scale_by_learning_rate(schedule),
    optax.trace(1 - one_minus_beta),
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


SELF = {  # By python -m runner tune --submissions=lars --points=4.
  'learning_rate': 0.154, 'one_minus_beta': 0.211, 'trust': 0.0642,
  'weight_decay': 9.31e-05, 'warmup': 0.05, 'floor': 0.0, 'grad_clip': 1.0,
}  # fmt: skip
SPACE = {
  'learning_rate': {'min': 0.1, 'max': 10.0, 'scaling': 'log'},
  'one_minus_beta': {'min': 0.02, 'max': 0.3, 'scaling': 'log'},
  'trust': {'min': 1e-3, 'max': 0.1, 'scaling': 'log'},
  'weight_decay': {'min': 1e-6, 'max': 1e-3, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'floor': {'feasible_points': [0.0, 1.0]},
}
