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

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import quantization, row_kernels, transforms
from submissions.quantization import BLOCK, Book, Quantized
from workloads.workload import Array, PyTree

LARGEST = 1e19  # The square of a gradient beyond it may not be finite.
SMALLEST = 4096  # Numbers in an array; with fewer it stays in 32 bits.
CHUNK = 1 << 18  # Numbers that are in 32 bits at a time.


class Rule(NamedTuple):
  """An elementwise update, and how its moments are stored."""

  books: tuple[Book, ...]
  scalars: Callable[[Array], row_kernels.Scalars]  # Of the step, from one.
  step: Callable[..., tuple[Array, tuple[Array, ...]]]
  """(gradient, moments, scalars) -> direction, moments."""


def adam(b1: float, b2: float, eps: float = 1e-8, book=quantization.dynamic):
  """Adam's direction; `book` makes the codes of both moments.

  Finite gradients beyond 1e19 count as 1e19. In 32 bits an infinite square
  holds one parameter for ever; in eight bits it would spoil a block of them.
  """

  def corrections(count):
    return 1 / (1 - b1**count), 1 / (1 - b2**count)

  def step(g, moments, scalars):
    g = transforms.bounded(g, LARGEST)
    m = b1 * moments[0] + (1 - b1) * g
    v = b2 * moments[1] + (1 - b2) * g * g
    mean, square = scalars
    return m * mean / (jnp.sqrt(v * square) + eps), (m, v)

  return Rule((book(True), book(False)), corrections, step)


def momentum(decay: float):
  """Heavy-ball momentum."""

  def step(g, moments, scalars):
    del scalars
    m = decay * moments[0] + g
    return m, (m,)

  return Rule((quantization.dynamic(True),), _none, step)


def lion(b1: float, b2: float):
  """Lion's sign."""

  def step(g, moments, scalars):
    del scalars
    direction = jnp.sign(b1 * moments[0] + (1 - b1) * g)
    return direction, (b2 * moments[0] + (1 - b2) * g,)

  return Rule((quantization.dynamic(True),), _none, step)


def _none(count: Array) -> row_kernels.Scalars:
  del count
  return ()


def on_blocks(rule: Rule, never_zero: bool) -> row_kernels.Function:
  """(gradient [number, block], Quantized moments) -> direction, moments."""

  def step(rows, scalars):
    g, stored = rows
    moments = tuple(
      quantization.dequantize(q, book)
      for q, book in zip(stored, rule.books, strict=True)
    )
    direction, moments = rule.step(g, moments, scalars)
    return direction, tuple(
      quantization.quantize(m, book, never_zero and not book.signed)
      for m, book in zip(moments, rule.books, strict=True)
    )

  return step


class EightBitState(NamedTuple):
  """The state of `scale_by`."""

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
    chunk: Numbers that are in 32 bits at a time, but on a GPU.
  """
  step = on_blocks(rule, never_zero)

  def init(params):
    def zeros(x, keep):
      if keep or x.size < SMALLEST:
        return tuple(jnp.zeros(x.shape, jnp.float32) for _ in rule.books)
      parts, rows = _parts(x.size, block, chunk)
      shape = (parts * rows, block)
      return tuple(quantization.zeros(shape, book) for book in rule.books)

    moments = jax.tree.map(zeros, params, exempt)
    return EightBitState(jnp.zeros((), jnp.int32), moments)

  def advance(grad, stored, scalars):
    g = grad.astype(jnp.float32)
    if not isinstance(stored[0], Quantized):
      direction, stored = rule.step(g, stored, scalars)
      return direction.astype(grad.dtype), stored
    parts, rows = _parts(g.size, block, chunk)
    padding = parts * rows * block - g.size
    flat = jnp.pad(g.ravel(), (0, padding)).reshape(-1, block)
    flat, stored = jax.lax.platform_dependent(
      (flat, stored),
      scalars,
      cuda=functools.partial(row_kernels.as_kernel, step),
      default=functools.partial(row_kernels.in_parts, step, parts=parts),
    )
    direction = flat.ravel()[: g.size].reshape(g.shape)
    return direction.astype(grad.dtype), stored

  def update(updates, state, params=None):
    del params
    count = state.count + 1
    scalars = tuple(x.astype(jnp.float32) for x in rule.scalars(count))
    leaves, structure = jax.tree.flatten(updates)
    stored = structure.flatten_up_to(state.moments)
    done = [advance(*x, scalars) for x in zip(leaves, stored, strict=True)]
    directions, moments = zip(*done, strict=True)
    moments = structure.unflatten(moments)
    return structure.unflatten(directions), EightBitState(count, moments)

  return optax.GradientTransformation(init, update)


def _parts(size: int, block: int, chunk: int) -> tuple[int, int]:
  """How many parts, and blocks in each, hold so many numbers."""
  blocks = -(-size // block)
  parts = min(blocks, -(-blocks * block // chunk))
  return parts, -(-blocks // parts)
