"""Muon: momentum with all its singular values brought near one.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
Only kernels of hidden layers are matrices here, with several heads or taps of a
convolution merged; embeddings, the output layer, biases and norm scales follow
AdamW at `adam_rate`. A step takes longer than NAdamW's: the rate reaches zero
at `horizon` of the steps. State: 4 bytes a parameter.
"""

import jax
import optax

from submissions import schedules
from submissions.submission import Task, from_optax
from workloads.workload import PyTree


def dimensions(task: Task) -> PyTree:
  """What optax needs to see each kernel as a matrix; None: not one of Muon's.

  By itself optax takes every array of two axes, so embeddings and the output
  layer too, and no other.
  """

  def merged(leaf, role, inputs):
    if role != 'weight':
      return None
    axes = tuple(range(leaf.ndim))
    return optax.contrib.MuonDimensionNumbers(axes[:inputs], axes[inputs:])

  return jax.tree.map(merged, task.shapes.params, task.roles, task.input_axes)


def build(
  task, *, learning_rate, adam_rate, beta, adam_beta1, adam_beta2,
  weight_decay, warmup, horizon, **options
):  # fmt: skip
  steps = int(horizon * task.steps)
  schedule = schedules.warmup_cosine(learning_rate, warmup, steps)
  tx = optax.contrib.muon(
    schedule,
    beta=beta,
    weight_decay=weight_decay,
    adam_b1=adam_beta1,
    adam_b2=adam_beta2,
    adam_weight_decay=weight_decay,
    adam_learning_rate=schedules.warmup_cosine(adam_rate, warmup, steps),
    muon_weight_dimension_numbers=dimensions(task),
  )
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


SELF = {  # By python -m runner tune --submissions=muon --points=4.
  'learning_rate': 0.0475, 'adam_rate': 0.00392, 'beta': 0.9,
  'adam_beta1': 0.9, 'adam_beta2': 0.99, 'weight_decay': 0.111,
  'warmup': 0.05, 'horizon': 1.0, 'grad_clip': 0.3, 'label_smoothing': 0.05,
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
