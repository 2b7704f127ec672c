"""SAM: NAdamW with the gradient at the worst point nearby.

Foret et al. 2021, "Sharpness-Aware Minimization for Efficiently Improving
Generalization", arXiv:2010.01412: every step computes a second gradient, on the
same batch, at w + rho g / |g|. A step takes twice as long, so training ends at
`horizon` of the steps. Batch-norm statistics and the recorded loss are those of
w. State: 8 bytes a parameter.
"""

import jax
import jax.numpy as jnp
import optax

from submissions import schedules, transforms
from submissions.norm import global_norm
from submissions.submission import from_optax
from workloads.workload import PyTree


def sharpness_aware(
  outer: optax.GradientTransformation, rho: float
) -> optax.GradientTransformationExtraArgs:
  """Pass the gradient at w + rho g / |g| to `outer`.

  The update takes the keyword obj_fn, the loss. If g is zero, the gradient at w
  is used. optax divides zero by zero, and every later step is NaN.
  """

  def update(updates, state, params: PyTree = None, **given):
    norm = global_norm(updates)
    reach = jnp.where(norm == 0, 0.0, rho / jnp.where(norm == 0, 1.0, norm))
    worst = jax.tree.map(
      lambda w, g: (w + reach * g).astype(w.dtype), params, updates
    )
    return outer.update(jax.grad(given['obj_fn'])(worst), state, params)

  return optax.GradientTransformationExtraArgs(outer.init, update)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, rho, horizon, grad_clip=None, **options
):  # fmt: skip
  """Return SAM as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    rho: Distance to the worst point.
    horizon: Share of the step budget after which the rate is zero.
    grad_clip: Largest norm of the second gradient; None means no limit.
    **options: Options of from_optax.
  """
  steps = int(horizon * task.steps)
  schedule = schedules.warmup_cosine(learning_rate, warmup, steps)
  outer = optax.chain(
    transforms.clipped(grad_clip),  # The second gradient is the one to clip.
    transforms.scale_by_nadam(1 - one_minus_beta1, beta2),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  tx = sharpness_aware(outer, rho)
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


SELF = {  # Tuned: python -m runner tune --submissions=sam --points=4.
  'learning_rate': 0.008, 'one_minus_beta1': 0.08, 'beta2': 0.98,
  'weight_decay': 0.1, 'warmup': 0.1, 'rho': 0.02, 'horizon': 0.6,
  'grad_clip': 0.3, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # NAdamW's space, with values of rho around the paper's 0.05.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 4e-3, 'max': 1e-1, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'rho': {'feasible_points': [0.01, 0.02, 0.05, 0.1, 0.2]},
  'horizon': {'feasible_points': [0.5]},
}
