"""SOAP: Adam in the eigenbasis of Shampoo's factors.

Vyas et al. 2024, "SOAP: Improving and Stabilizing Shampoo using Adam",
arXiv:2409.11321. As in the authors' code, nothing moves or decays in the first
step, which only looks; then the bases follow now and then, by one power
iteration and a QR decomposition, in the order of their eigenvalues. (Unsorted
and with a first decay, 264 steps of `mnist/mini` and `digits` end 0.2 and 0.9 %
lower in validation loss; four seeds are 1 to 2 % apart.) Here large kernels are
cut into blocks; embeddings, biases and norm scales follow AdamW; and decay is
of the parameters before the step, where the authors' is of those after it,
which shortens their steps by the share rate x decay. The rate reaches zero at
`horizon` of the steps. State: 24 bytes a parameter.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import blocks, schedules
from submissions.submission import from_optax
from workloads.workload import Array, PyTree


class SoapState(NamedTuple):
  count: Array
  mean: PyTree  # Moving averages of the gradient G ...
  square: PyTree  # ... of the squares of G in the bases ...
  factors: PyTree  # ... and of G G' and G' G: a Pair for every kernel.
  bases: PyTree  # Their eigenvectors in columns, the largest first.


def eigenvectors(matrices: Array) -> Array:
  """The largest first: power iterations would put them in this order."""
  return jnp.linalg.eigh(matrices)[1][..., ::-1]


def turned(factors: PyTree, bases: PyTree, square: PyTree):
  """Bases after one power iteration, sorted, and the squares in that order.

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
    b1: Of the mean.
    b2: Of the squares and of the factors.
    every: Steps from one turn of the bases to the next.
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
    t = state.count  # Without the first step, which has no bases yet.
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


SELF = {  # By runner tune --points=4, before bases were sorted.
  'learning_rate': 0.00817, 'one_minus_beta1': 0.1, 'beta2': 0.95,
  'weight_decay': 0.239, 'warmup': 0.1, 'block': 64, 'every': 20,
  'horizon': 0.9, 'grad_clip': 0.3, 'label_smoothing': 0.05,
}  # fmt: skip
SPACE = {  # Around the authors' defaults.
  'learning_rate': {'min': 3e-4, 'max': 1e-2, 'scaling': 'log'},
  'one_minus_beta1': {'feasible_points': [0.05, 0.1]},
  'beta2': {'feasible_points': [0.95, 0.99]},
  'weight_decay': {'min': 5e-3, 'max': 1.0, 'scaling': 'log'},
  'warmup': {'feasible_points': [0.05]},
  'block': {'feasible_points': [64]}, 'every': {'feasible_points': [20]},
  'horizon': {'feasible_points': [0.9]},
}  # fmt: skip
