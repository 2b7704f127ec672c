"""LARS: momentum with a rate proportional to the weights, tensor by tensor.

You, Gitman and Ginsburg 2017, "Large Batch Training of Convolutional Networks",
arXiv:1708.03888. The variant is that of optax plus a floor: the rate is
multiplied by trust |w| / |g + decay w|, where the paper has |g| + decay |w|. As
in the paper, the rate comes before the heavy-ball momentum. Biases and norm
scales have the same rate, without weight decay and without scaling. State: 4
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
  """Return LARS as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta: One minus the decay of the momentum.
    trust: Factor on the length of the weights.
    weight_decay: Weight decay, added to the gradient.
    warmup: Share of the steps that rises to the largest rate.
    floor: Smallest length that weights count as; 0 in the paper.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  weights = task.mask('weight', 'head', 'embedding')
  tx = optax.chain(
    optax.add_decayed_weights(weight_decay, weights),
    optax.masked(scale_by_trust(trust, floor), weights),
    optax.scale_by_learning_rate(schedule),
    optax.trace(1 - one_minus_beta),
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


SELF = {  # Tuned: python -m runner tune --submissions=lars --points=4.
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
