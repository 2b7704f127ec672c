"""Muon: momentum with all its singular values brought near one.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks",
as in the author's code, with 32 bits instead of 16: the momentum is m = b m +
(1 - b) g, and b m + (1 - b) g is orthogonalized. optax corrects both for the
bias, as Dozat's NAdam does, and uses NAdamW for the rest. After 264 steps of
`mnist/mini` and `digits` (batches of 64, SELF, four seeds), optax's validation
loss is 0.2 and 0.0 % lower; seeds differ by 0.4 and 5 %. Only kernels of hidden
layers count as matrices, with several heads or taps of a convolution merged.
Embeddings, output layer, biases and norm scales follow AdamW at `adam_rate`. A
step takes longer than NAdamW's, so `horizon` may end training earlier. State: 4
bytes a parameter.
"""

import math

import jax
import jax.numpy as jnp
import optax

from submissions import schedules, transforms
from submissions.submission import from_optax
from workloads.workload import Array, PyTree

LARGEST = 1e15  # The squares of larger numbers leave float32.


def orthogonalized(x: Array) -> Array:
  """Bring the singular values of a matrix to between about 0.7 and 1.2.

  Makes five steps of the author's quintic Newton-Schulz iteration. If there are
  more columns (outputs) than rows, multiplies by the root of columns / rows.
  """
  rows, columns = x.shape
  x = transforms.bounded(x, LARGEST)
  x = x.T if rows > columns else x  # The smaller square is faster.
  x = x / (optax.tree.norm(x) + 1e-7)
  for _ in range(5):
    square = x @ x.T
    x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
  x = x.T if rows > columns else x
  return x * math.sqrt(max(1.0, columns / rows))


def scale_by_muon(b: float, inputs: PyTree) -> optax.GradientTransformation:
  """Orthogonalized Nesterov momentum of kernels.

  Args:
    b: Decay of the momentum.
    inputs: A tree like the parameters: the number of leading axes of rows.
  """

  def init(params):
    return optax.TraceState(jax.tree.map(jnp.zeros_like, params))

  def direction(ahead, count):
    rows = math.prod(ahead.shape[:count])
    matrix = ahead.reshape(rows, -1).astype(jnp.float32)
    return orthogonalized(matrix).reshape(ahead.shape).astype(ahead.dtype)

  def update(updates, state, params=None):
    del params
    mean = optax.tree.update_moment(updates, state.trace, b, 1)
    ahead = optax.tree.update_moment(updates, mean, b, 1)
    return jax.tree.map(direction, ahead, inputs), optax.TraceState(mean)

  return optax.GradientTransformation(init, update)


def build(
  task, *, learning_rate, adam_rate, beta, adam_beta1, adam_beta2,
  weight_decay, warmup, horizon, **options
):  # fmt: skip
  """Return Muon as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest rate of Muon.
    adam_rate: Largest rate of AdamW.
    beta: Decay of the momentum.
    adam_beta1: Decay of AdamW's mean.
    adam_beta2: Decay of AdamW's mean square.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    horizon: Share of the step budget after which the rate is zero.
    **options: Options of from_optax.
  """
  steps = int(horizon * task.steps)
  schedule = schedules.warmup_cosine(learning_rate, warmup, steps)
  hidden = task.mask('weight')
  inputs = jax.tree.map(
    lambda own, count: count if own else optax.MaskedNode(),
    hidden,
    task.input_axes,
  )
  muon = optax.chain(
    scale_by_muon(beta, inputs),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  adamw = optax.adamw(
    schedules.warmup_cosine(adam_rate, warmup, steps),
    adam_beta1,
    adam_beta2,
    eps=1e-10,
    weight_decay=weight_decay,
  )
  labels = jax.tree.map(lambda own: 'muon' if own else 'adamw', hidden)
  tx = optax.partition({'muon': muon, 'adamw': adamw}, labels)
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.0559, 'adam_rate': 0.00445, 'beta': 0.9,
  'adam_beta1': 0.9, 'adam_beta2': 0.95, 'weight_decay': 0.118, 'warmup': 0.02,
  'horizon': 1.0, 'grad_clip': 1.0, 'label_smoothing': 0.0, 'dropout': 0.0,
}  # fmt: skip
SPACE = {
  'learning_rate': {'min': 3e-3, 'max': 1e-1, 'scaling': 'log'},
  'adam_rate': {'min': 3e-4, 'max': 1e-2, 'scaling': 'log'},
  'beta': {'feasible_points': [0.9, 0.95]},
  'adam_beta1': {'feasible_points': [0.9]},
  'adam_beta2': {'feasible_points': [0.95, 0.99]},
  'weight_decay': {'min': 1e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'horizon': {'feasible_points': [1.0]},
}
POINTS = {
  'default': {  # The author's defaults.
    'learning_rate': 0.02, 'adam_rate': 3e-4, 'beta': 0.95,
    'adam_beta1': 0.9, 'adam_beta2': 0.95, 'weight_decay': 0.01,
    'warmup': 0.05, 'horizon': 1.0,
  },
}  # fmt: skip
