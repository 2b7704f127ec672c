"""Optimizers whose state has eight bits per number.

Dettmers et al. 2022, arXiv:2110.02861. The update is computed in 32 bits from
decoded moments, and the new moments are encoded for the next step. Small arrays
and embeddings stay in 32 bits. The paper's stable embeddings also have Xavier
initialization and a layer norm after the lookup. These are parts of the model,
which a workload fixes.

One change is ours: the second moment never rounds to zero. The square of a
gradient that is 2,500 times smaller than the largest of its block has only the
code zero. The next update divides by its root and becomes the first moment over
eps, far too large. The smallest code makes the update too small instead.
`never_zero=False` does what the paper does.
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

LARGEST = 1e19  # Squares of larger gradients may not be finite.
SMALLEST = 4096  # Arrays with fewer numbers stay in 32 bits.
CHUNK = 1 << 18  # Numbers decoded to 32 bits at a time.


class Rule(NamedTuple):
  """An elementwise update, and how to store its moments."""

  books: tuple[Book, ...]
  # Maps the step, counted from one, to scalar arguments of `step`.
  scalars: Callable[[Array], row_kernels.Scalars]
  step: Callable[..., tuple[Array, tuple[Array, ...]]]
  """(gradient, moments, scalars) -> direction, moments."""


def adam(b1: float, b2: float, eps: float = 1e-8, book=quantization.dynamic):
  """Adam's direction.

  Finite gradients beyond 1e19 count as 1e19. An infinite square would stop one
  parameter for ever in 32 bits, and a whole block of parameters in eight bits.

  Args:
    b1: Decay of the mean.
    b2: Decay of the mean square.
    eps: Added to the root of the mean square.
    book: Makes the codes of both moments, with and without signs.
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
  """Lion's direction, a sign; b1 and b2 are its two momentum decays."""

  def step(g, moments, scalars):
    del scalars
    direction = jnp.sign(b1 * moments[0] + (1 - b1) * g)
    return direction, (b2 * moments[0] + (1 - b2) * g,)

  return Rule((quantization.dynamic(True),), _none, step)


def _none(count: Array) -> row_kernels.Scalars:
  del count
  return ()


def on_blocks(rule: Rule, never_zero: bool) -> row_kernels.Function:
  """Apply a rule to blocks with encoded moments.

  The function returned maps (gradient [number, block], Quantized moments) to
  direction and new moments.
  """

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
  moments: PyTree  # Per parameter array, a tuple of arrays or of Quantized.


def scale_by(
  rule: Rule,
  exempt: PyTree,
  block: int = BLOCK,
  never_zero: bool = True,
  chunk: int = CHUNK,
) -> optax.GradientTransformation:
  """Return the transformation of a rule, with its moments in eight bits.

  Args:
    rule: The update.
    exempt: A tree like the parameters: True where moments stay in 32 bits.
    block: Numbers in a block, which share their largest magnitude.
    never_zero: Positive second moments stay positive.
    chunk: Numbers decoded to 32 bits at a time; unused on a GPU.
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
  """Return the number of parts, and of blocks in a part, for `size` numbers."""
  blocks = -(-size // block)
  parts = min(blocks, -(-blocks * block // chunk))
  return parts, -(-blocks // parts)
