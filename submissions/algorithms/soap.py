"""SOAP: Adam in the eigenbasis of Shampoo's factors.

Vyas et al. 2024, "SOAP: Improving and Stabilizing Shampoo using Adam",
arXiv:2409.11321. As in the authors' code, the first step only computes bases; a
power iteration and a QR decomposition update and sort them every few steps.
(Unsorted, and with decay in the first step, the validation loss after 264 steps
of `mnist/mini` and `digits` is 0.2 and 0.9 % lower; four seeds differ by 1 to
2 %.) Large kernels are cut into blocks; other parameters follow AdamW. Weights
decay before a step; the authors' decay after, so their steps are shorter by the
share rate x decay. State: 24 bytes a parameter.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import blocks, schedules
from submissions.submission import from_optax
from workloads.workload import Array, PyTree


class SoapState(NamedTuple):
  """The state of `scale_by_soap`."""

  count: Array
  mean: PyTree  # Moving average of the gradient G.
  square: PyTree  # Moving average of the squares of G in the bases.
  factors: PyTree  # A Pair per kernel: moving averages of G G' and G' G.
  bases: PyTree  # Eigenvectors of the factors in columns, largest first.


def eigenvectors(matrices: Array) -> Array:
  """Eigenvectors, largest first: the order that power iterations keep."""
  return jnp.linalg.eigh(matrices)[1][..., ::-1]


def turned(factors: PyTree, bases: PyTree, square: PyTree):
  """Return bases after one power iteration, sorted, and the squares likewise.

  Args:
    factors: Pairs of symmetric matrices F [number, n, n].
    bases: Pairs of orthogonal matrices Q [number, n, n].
    square: Arrays [number, rows, columns] in these bases.
  """
  products = jax.tree.map(jnp.matmul, factors, bases)
  # The diagonals of Q' F Q are about the eigenvalues.
  orders = jax.tree.map(
    lambda q, p: jnp.argsort(-(q * p).sum(-2), axis=-1), bases, products
  )
  sort = lambda x, order: jnp.take_along_axis(x, order[:, None], 2)  # noqa: E731
  products = jax.tree.map(sort, products, orders)
  square = jax.tree.map(
    lambda v, order: sort(sort(v.mT, order.left).mT, order.right),
    square, orders,
  )  # fmt: skip
  bases = blocks.together(lambda x: jnp.linalg.qr(x)[0], products)
  return bases, square


def scale_by_soap(
  b1: float, b2: float, every: int
) -> optax.GradientTransformation:
  """Adam's direction in slowly turning bases, kernel by kernel.

  Args:
    b1: Decay of the mean.
    b2: Decay of the squares and of the factors.
    every: Steps from one update of the bases to the next.
  """

  def init(params):
    zeros = jax.tree.map(jnp.zeros_like, params)
    empty = jax.tree.map(jnp.zeros_like, jax.tree.map(blocks.grams, params))
    return SoapState(jnp.zeros((), jnp.int32), zeros, zeros, empty, empty)

  def into(x, basis):
    return basis.left.mT @ x @ basis.right

  def out(x, basis):
    return basis.left @ x @ basis.right.mT

  def update(updates, state, params=None):
    del params
    t = state.count  # Adam's step, which starts after the first step.
    grads = jax.tree.map(lambda g: jnp.where(t == 0, 0.0, g), updates)
    mean = optax.tree.update_moment(grads, state.mean, b1, 1)
    inside = jax.tree.map(into, grads, state.bases)
    square = optax.tree.update_moment(inside, state.square, b2, 2)
    number = jnp.maximum(t, 1)
    adam = jax.tree.map(
      lambda m, v: m / (jnp.sqrt(v) + 1e-8),
      optax.tree.bias_correction(
        jax.tree.map(into, mean, state.bases), b1, number
      ),
      optax.tree.bias_correction(square, b2, number),
    )
    directions = jax.tree.map(out, adam, state.bases)
    grams = jax.tree.map(blocks.grams, updates)
    factors = optax.tree.update_moment(grams, state.factors, b2, 1)
    bases, square = jax.lax.switch(
      jnp.where(t == 0, 0, jnp.where(t % every == 0, 1, 2)),
      [
        lambda: (blocks.together(eigenvectors, factors, corner=-1.0), square),
        lambda: turned(factors, state.bases, square),
        lambda: (state.bases, square),
      ],
    )
    return directions, SoapState(t + 1, mean, square, factors, bases)

  return optax.GradientTransformation(init, update)


def build(
  task, *, learning_rate, one_minus_beta1, beta2, weight_decay,
  warmup, block, every, horizon, **options
):  # fmt: skip
  """Return SOAP as a submission; training ends at `horizon` of the steps."""
  steps, b1 = int(horizon * task.steps), 1 - one_minus_beta1
  schedule = schedules.warmup_cosine(learning_rate, warmup, steps)
  adam = optax.scale_by_adam(b1, beta2)
  tx = optax.chain(
    blocks.factored(
      task,
      scale_by_soap(b1, beta2, every),
      optax.conditionally_mask(adam, lambda step, **_: jnp.greater(step, 0)),
      block,
    ),
    optax.add_decayed_weights(
      lambda count: jnp.where(jnp.equal(count, 0), 0.0, weight_decay)
    ),
    optax.scale_by_learning_rate(schedule),
  )
  return from_optax(task, tx, schedule=schedule, steps=steps, **options)


SELF = {  # Tuned by the rule for all submissions: docs/benchmarks/tuning.md.
  'learning_rate': 0.00573, 'one_minus_beta1': 0.224, 'beta2': 0.95,
  'weight_decay': 0.341, 'warmup': 0.1, 'block': 64, 'every': 20,
  'horizon': 0.9, 'grad_clip': 1.0, 'label_smoothing': 0.05, 'dropout': 0.0,
}  # fmt: skip
SPACE = {  # Values around the authors' defaults.
  'learning_rate': {'min': 3e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'feasible_points': [0.05, 0.1]},
  'beta2': {'feasible_points': [0.95, 0.99]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]}, 'block': {'feasible_points': [64]},
  'every': {'feasible_points': [20]}, 'horizon': {'feasible_points': [0.9]},
}  # fmt: skip
