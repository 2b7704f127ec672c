"""Cautious NAdamW: no coordinate moves against its present gradient.

Liang et al. 2024, "Cautious Optimizers: Improving Training with One Line of
Code", arXiv:2411.16085. All coordinates have weight decay. State: 8 bytes a
parameter.
"""

import jax
import jax.numpy as jnp
import optax

from submissions import schedules, transforms
from submissions.submission import from_optax


def cautious(
  inner: optax.GradientTransformation,
) -> optax.GradientTransformation:
  """Set coordinates of an update to zero if the gradient has another sign.

  The rest of each tensor is divided by the share of coordinates that are kept,
  or by a thousandth if that is more, as in the authors' code.
  """

  def update(updates, state, params=None):
    grads = updates
    updates, state = inner.update(grads, state, params)

    def agree(u, g):
      against = u * g <= 0  # False for NaN, so NaN stays in the update.
      kept = 1 - against.mean(dtype=u.dtype)
      return jnp.where(against, 0, u) / jnp.maximum(kept, 1e-3)

    return jax.tree.map(agree, updates, grads), state

  return optax.GradientTransformation(inner.init, update)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, **options
):  # fmt: skip
  """Return cautious NAdamW as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    **options: Options of from_optax.
  """
  schedule = schedules.warmup_cosine(learning_rate, warmup, task.steps)
  tx = optax.chain(
    cautious(transforms.scale_by_nadam(1 - one_minus_beta1, beta2)),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  return from_optax(task, tx, schedule=schedule, steps=task.steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.00628, 'one_minus_beta1': 0.0902, 'beta2': 0.95,
  'weight_decay': 0.299, 'warmup': 0.05, 'grad_clip': 0.3,
  'label_smoothing': 0.1, 'dropout': 0.0,
}  # fmt: skip
SPACE = {  # NAdamW's space.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 4e-3, 'max': 1e-1, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
}
POINTS = {
  'published': {  # AlgoPerf's entry: the point of AlgoPerf's baseline.
    'learning_rate': 0.0017486387539278373, 'one_minus_beta1': 0.06733926164,
    'beta2': 0.9955159689799007, 'weight_decay': 0.08121616522670176,
    'warmup': 0.02, 'dropout': 0.1,
  },
}  # fmt: skip
