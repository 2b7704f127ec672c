"""Optimizers whose state has eight bits a number.

Dettmers et al. 2022, arXiv:2110.02861: the update is computed in 32 bits from
decoded moments, and only what is carried to the next step is encoded. Small
arrays stay in 32 bits, and so do embeddings. That is one third of the paper's
advice on stable embeddings; the other two, Xavier initialization and a layer
norm after the lookup, are up to whoever makes a model, and here models are
given.

Our own: the second moment never rounds to zero. Where a gradient is 2,500 times
smaller than the largest of its block, its square has no code but zero; the next
update, divided by the root of it, is then as large as the first moment over
eps. A smallest code instead errs towards small updates. `never_zero=False` is
the paper.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import quantization
from submissions.quantization import BLOCK, Book, Quantized
from workloads.workload import Array, PyTree

SMALLEST = 4096  # Numbers in an array; with fewer it stays in 32 bits.
CHUNK = 1 << 16  # Numbers that are in 32 bits at a time.


class Rule(NamedTuple):
  """An elementwise update, and how its moments are stored."""

  books: tuple[Book, ...]
  step: Callable[..., tuple[Array, tuple[Array, ...]]]
  """(gradient, moments, steps made with this one) -> direction, moments."""


def adam(b1: float, b2: float, eps: float = 1e-8, book=quantization.dynamic):
  def step(g, moments, count):
    m = b1 * moments[0] + (1 - b1) * g
    v = b2 * moments[1] + (1 - b2) * g * g
    mean, square = 1 / (1 - b1**count), 1 / (1 - b2**count)
    return m * mean / (jnp.sqrt(v * square) + eps), (m, v)

  return Rule((book(True), book(False)), step)


def momentum(decay: float):
  def step(g, moments, count):
    del count
    m = decay * moments[0] + g
    return m, (m,)

  return Rule((quantization.dynamic(True),), step)


def lion(b1: float, b2: float):
  def step(g, moments, count):
    del count
    direction = jnp.sign(b1 * moments[0] + (1 - b1) * g)
    return direction, (b2 * moments[0] + (1 - b2) * g,)

  return Rule((quantization.dynamic(True),), step)


class EightBitState(NamedTuple):
  count: Array
  moments: PyTree  # For each array a tuple, of arrays or of Quantized.


def scale_by(
  rule: Rule,
  exempt: PyTree,
  block: int = BLOCK,
  never_zero: bool = True,
  chunk: int = CHUNK,
) -> optax.GradientTransformation:
  """A rule with its moments in eight bits.

  Args:
    rule: What to do.
    exempt: A tree like the parameters: True where 32 bits are kept.
    block: Numbers that share their largest.
    never_zero: Positive second moments stay positive.
    chunk: Numbers that are in 32 bits at a time.
  """
  books = rule.books

  def init(params):
    def zeros(x, keep):
      if keep or x.size < SMALLEST:
        return tuple(jnp.zeros(x.shape) for _ in books)
      empty = jnp.zeros(_blocks(x.size, block, chunk))
      empty = empty.reshape(-1, block)
      return tuple(quantization.quantize(empty, book) for book in books)

    moments = jax.tree.map(zeros, params, exempt)
    return EightBitState(jnp.zeros((), jnp.int32), moments)

  def some(g, stored, count):
    """A step of blocks [number, block]."""
    moments = [
      quantization.dequantize(q, book)
      for q, book in zip(stored, books, strict=True)
    ]
    direction, moments = rule.step(g, moments, count)
    stored = tuple(
      quantization.quantize(m, book, never_zero and not book.signed)
      for m, book in zip(moments, books, strict=True)
    )
    return direction, stored

  def one(g, stored, count):
    """A step of an array."""
    if not isinstance(stored[0], Quantized):
      return rule.step(g, stored, count)
    number, rows, _ = shape = _blocks(g.size, block, chunk)
    padding = math.prod(shape) - g.size
    flat = jnp.pad(g.ravel(), (0, padding)).reshape(-1, block)
    if number == 1:
      flat, stored = some(flat, stored, count)
    else:
      # In place: a scan would have the old and the new state at once.
      def body(i, carry):
        part = jax.tree.map(
          lambda x: jax.lax.dynamic_slice_in_dim(x, i * rows, rows), carry
        )
        return jax.tree.map(
          lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, i * rows, 0),
          carry,
          some(*part, count),
        )

      flat, stored = jax.lax.fori_loop(0, number, body, (flat, stored))
    return flat.ravel()[: g.size].reshape(g.shape), stored

  def update(updates, state, params=None):
    del params
    count = state.count + 1
    leaves, structure = jax.tree.flatten(updates)
    done = [
      one(g, stored, count)
      for g, stored in zip(
        leaves, structure.flatten_up_to(state.moments), strict=True
      )
    ]
    directions, moments = zip(*done, strict=True)
    return (
      structure.unflatten(directions),
      EightBitState(count, structure.unflatten(moments)),
    )

  return optax.GradientTransformation(init, update)


def _blocks(size: int, block: int, chunk: int) -> tuple[int, int, int]:
  """Chunks, blocks in each and numbers in a block, that hold so many."""
  blocks = -(-size // block)
  number = -(-blocks * block // chunk)
  return number, -(-blocks // number), block
