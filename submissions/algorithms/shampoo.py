"""Shampoo: preconditions kernels from both sides, with NAdam's step lengths.

Gupta, Koren and Singer 2018, "Shampoo: Preconditioned Stochastic Tensor
Optimization", arXiv:1802.09568. Blocks, grafting and roots computed only every
few steps are from Anil et al. 2020, "Scalable Second Order Optimization for
Deep Learning", arXiv:2002.09018. Embeddings, biases and norm scales follow
NAdamW, and all parameters do until the first roots. State: 24 bytes a
parameter.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import blocks, schedules, transforms
from submissions.submission import from_optax
from workloads.workload import Array, PyTree


class ShampooState(NamedTuple):
  """The state of `scale_by_shampoo`."""

  nadam: PyTree
  factors: PyTree  # A Pair per kernel: moving averages of G G' and G' G.
  roots: PyTree  # Powers -1/4 of the factors, computed every few steps.


def inverse_fourth_root(matrices: Array, ridge: float = 1e-6) -> Array:
  """Power -1/4 of symmetric [..., n, n] plus `ridge` x largest eigenvalue."""
  values, vectors = jnp.linalg.eigh(matrices)
  values = jnp.maximum(values, 0.0)
  values += (
    ridge * values.max(-1, keepdims=True) + 1e-30
  )  # A zero matrix has a root too.
  return (vectors * values[..., None, :] ** -0.25) @ vectors.mT


def scale_by_shampoo(
  b1: float, b2: float, every: int
) -> optax.GradientTransformation:
  """Shampoo's direction with the length of NAdam's, kernel by kernel.

  Args:
    b1: Decay of the momentum, which looks ahead.
    b2: Decay of the squares and of the factors.
    every: Steps from one computation of the roots to the next.
  """
  nadam: Any = transforms.scale_by_nadam(b1, b2)

  def init(params):
    empty = jax.tree.map(jnp.zeros_like, jax.tree.map(blocks.grams, params))
    return ShampooState(nadam.init(params), empty, empty)

  def precondition(ahead, graft, root):
    direction = root.left @ ahead @ root.right
    length = optax.tree.norm(direction)
    return direction * optax.tree.norm(graft) / jnp.where(length, length, 1.0)

  def update(updates, state, params=None):
    del params
    grafts, inner = nadam.update(updates, state.nadam)
    grams = jax.tree.map(blocks.grams, updates)
    factors = optax.tree.update_moment(grams, state.factors, b2, 1)
    roots = jax.lax.cond(
      inner.count % every == 0,
      lambda: blocks.together(inverse_fourth_root, factors),
      lambda: state.roots,
    )
    ahead = optax.tree.update_moment(updates, inner.mu, b1, 1)
    directions = jax.lax.cond(
      inner.count < every,
      lambda: grafts,
      lambda: jax.tree.map(precondition, ahead, grafts, roots),
    )
    return directions, ShampooState(inner, factors, roots)

  return optax.GradientTransformation(init, update)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, block, every, horizon, **options
):  # fmt: skip
  """Return Shampoo as a submission.

  Args:
    task: Workload and step budget.
    learning_rate: Largest learning rate.
    one_minus_beta1: One minus the decay of the mean.
    beta2: Decay of the squares and of the factors.
    weight_decay: Weight decay, relative to the learning rate.
    warmup: Share of the steps that rises to the largest rate.
    block: Largest number of rows or columns of a block.
    every: Steps from one computation of the roots to the next.
    horizon: Share of the step budget after which the rate is zero.
    **options: Options of from_optax.
  """
  steps, b1 = int(horizon * task.steps), 1 - one_minus_beta1
  schedule = schedules.warmup_cosine(learning_rate, warmup, steps)
  tx = optax.chain(
    blocks.factored(
      task,
      scale_by_shampoo(b1, beta2, every),
      transforms.scale_by_nadam(b1, beta2),
      block,
    ),
    optax.add_decayed_weights(weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


# Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
SELF = {
  'learning_rate': 0.00962, 'one_minus_beta1': 0.0727, 'beta2': 0.95,
  'weight_decay': 0.21, 'warmup': 0.05, 'block': 64, 'every': 20,
  'horizon': 0.9, 'grad_clip': 1.0, 'label_smoothing': 0.05, 'dropout': 0.0,
}  # fmt: skip
SPACE = {  # AlgoPerf's archived space of Shampoo; block and horizon are ours.
  'learning_rate': {'min': 1e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'min': 1e-2, 'max': 0.15, 'scaling': 'log'},
  'beta2': {'feasible_points': [0.999]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout': {'feasible_points': [0.0, 0.1]},
  'block': {'feasible_points': [64]},
  'every': {'feasible_points': [20]},
  'horizon': {'feasible_points': [0.9]},
}
POINTS = {
  'published': {  # First point of AlgoPerf's winner, with smaller blocks.
    'learning_rate': 0.0017486387539278373, 'one_minus_beta1': 0.06733926164,
    'beta2': 0.9955159689799007, 'weight_decay': 0.08121616522670176,
    'warmup': 0.02, 'block': 256, 'every': 100, 'horizon': 1.0,
    'dropout': 0.1,
  },
}  # fmt: skip
