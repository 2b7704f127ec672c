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

`writer` makes a whole step in one pass over memory: it reads the gradient, the
parameter and the codes, and writes the parameter and the codes. `scale_by` is
the same as an optax transformation, for chains; the rest of a chain needs more
passes, and updates as large as the parameters.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import quantization, row_kernels, transforms, trust_ratio
from submissions.quantization import BLOCK, Book, Quantized
from submissions.row_kernels import Rows
from submissions.writer import Writing
from workloads.workload import Array, PyTree

LARGEST = 1e19  # Squares of larger gradients may not be finite.
SMALLEST = 4096  # Arrays with fewer numbers stay in 32 bits.
CHUNK = 1 << 16  # Numbers decoded to 32 bits at a time.


class Rule(NamedTuple):
  """An elementwise update, and how to store its moments."""

  books: tuple[Book, ...]
  # Maps the step, counted from one, to scalar arguments of `direction`.
  scalars: Callable[[Array], row_kernels.Scalars]
  advance: Callable[[Array, tuple[Array, ...]], PyTree]
  """(gradient, moments) -> moments, and what else `direction` needs."""
  direction: Callable[[PyTree, row_kernels.Scalars], Array]
  """(results of `advance`, scalars) -> direction."""


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

  def advance(g, moments):
    g = transforms.bounded(g, LARGEST)
    m = b1 * moments[0] + (1 - b1) * g
    v = b2 * moments[1] + (1 - b2) * g * g
    return (m, v), ()

  def direction(advanced, scalars):
    (m, v), _ = advanced
    mean, square = scalars
    return m * mean / (jnp.sqrt(v * square) + eps)

  return Rule((book(True), book(False)), corrections, advance, direction)


def momentum(decay: float):
  """Heavy-ball momentum."""

  def advance(g, moments):
    return (decay * moments[0] + g,), ()

  def direction(advanced, scalars):
    del scalars
    return advanced[0][0]

  return Rule((quantization.dynamic(True),), _none, advance, direction)


def lion(b1: float, b2: float):
  """Lion's direction, a sign; b1 and b2 are its two momentum decays."""

  def advance(g, moments):
    ahead = b1 * moments[0] + (1 - b1) * g
    return (b2 * moments[0] + (1 - b2) * g,), ahead

  def direction(advanced, scalars):
    del scalars
    return jnp.sign(advanced[1])

  return Rule((quantization.dynamic(True),), _none, advance, direction)


def _none(count: Array) -> row_kernels.Scalars:
  del count
  return ()


class EightBitState(NamedTuple):
  """The state of `writer` and of `scale_by`."""

  count: Array
  moments: PyTree  # Per parameter array, a tuple of arrays or of Quantized.


class Storage(NamedTuple):
  """The form in which moments are stored; see `scale_by`."""

  block: int = BLOCK
  never_zero: bool = True
  chunk: int = CHUNK
  folds: int = quantization.FOLDS


def stages(
  storage: Storage,
  rule: Rule,
  gradient: Callable[[Rows], Array],
  finish: Callable[[Rows, Array, Array], Array],
) -> row_kernels.Stages:
  """Return the stages of a rule; its scalars are step, rate and its own.

  Args:
    storage: How moments are stored that are not in 32 bits.
    rule: The update.
    gradient: Finds the gradient in the arrays.
    finish: (arrays, direction, rate) -> what is written.
  """

  def first(rows, scalars):
    del scalars
    moments = tuple(
      quantization.dequantize(x, book) if isinstance(x, Quantized) else x
      for x, book in zip(rows.stored, rule.books, strict=True)
    )
    return rule.advance(gradient(rows).astype(jnp.float32), moments)

  def encoded(new, old, book):
    if not isinstance(old, Quantized):
      return new
    never_zero = storage.never_zero and not book.signed
    return quantization.quantize(new, book, never_zero, storage.folds)

  def second(rows, advanced, scalars):
    _, rate, *own = scalars
    direction = rule.direction(advanced, tuple(own))
    stored = tuple(
      encoded(*x)
      for x in zip(advanced[0], rows.stored, rule.books, strict=True)
    )
    made = finish(rows, direction, rate)
    return made.astype(rows.written.dtype), stored

  return row_kernels.Stages(first, second)


class Trust(NamedTuple):
  """Arrays whose steps are scaled as in LAMB, see trust_ratio.py."""

  mask: PyTree  # A tree like the parameters: True for these arrays.
  floor: float = 0.0  # Smallest length that their weights count as.


def writer(
  rule: Rule,
  schedule: optax.Schedule,
  exempt: PyTree,
  *,
  weight_decay: float = 0.0,
  coupled: bool = False,
  trust: Trust | None = None,
  block: int = BLOCK,
  never_zero: bool = True,
  chunk: int = CHUNK,
) -> Writing:
  """Return an optimizer with moments in eight bits, which writes parameters.

  Args:
    rule: The update.
    schedule: The learning rate by step, counted from zero.
    exempt: A tree like the parameters: True where moments stay in 32 bits.
    weight_decay: Weight decay, relative to the learning rate.
    coupled: Add the decay to the gradient, not to the direction.
    trust: Arrays whose steps are as long as the weights (LAMB); other arrays
      are not decayed then. None: there are no such arrays.
    block: Numbers in a block, which share their largest magnitude.
    never_zero: Positive second moments stay positive.
    chunk: Numbers decoded to 32 bits at a time; unused on a GPU.
  """
  storage = Storage(block, never_zero, chunk)
  floor = trust.floor if trust else 0.0
  before = weight_decay if coupled else 0.0
  after = weight_decay if trust is None and not coupled else 0.0
  usual = functools.partial(
    stages,
    rule=rule,
    gradient=lambda rows: _decayed(rows.read[0], rows.written, before),
    finish=lambda rows, direction, rate: _moved(
      rows.written, _decayed(direction, rows.written, after), rate
    ),
  )
  # The direction of a trusted array takes the place of its gradient, until its
  # length is known.
  measured = functools.partial(
    stages,
    rule=rule,
    gradient=lambda rows: rows.written,
    finish=lambda rows, direction, rate: _decayed(
      direction, rows.read[0], weight_decay
    ),
  )

  def advance(grad, stored, x, trusted, scalars):
    if not trusted:
      return _updated(usual, Rows(x, stored, (grad,)), scalars, storage)
    rows = Rows(grad, stored, (x,))
    direction, stored = _updated(measured, rows, scalars, storage)
    direction = trust_ratio.trusted(_wide(direction), x, floor=floor)
    return _moved(x, direction, scalars[1]), stored

  def write(grads, state, params):
    trusted = trust.mask if trust else jax.tree.map(lambda _: False, params)
    rate = schedule(state.count)
    return _each(rule, advance, rate, state, grads, params, trusted)

  return Writing(functools.partial(_init, rule, exempt, storage), write)


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
  storage = Storage(block, never_zero, chunk)
  plain = functools.partial(
    stages,
    rule=rule,
    gradient=lambda rows: rows.written,
    finish=lambda rows, direction, rate: direction,
  )

  def advance(grad, stored, scalars):
    return _updated(plain, Rows(grad, stored), scalars, storage)

  def update(updates, state, params=None):
    del params
    return _each(rule, advance, 1.0, state, updates)

  init = functools.partial(_init, rule, exempt, storage)
  return optax.GradientTransformation(init, update)


def _wide(x: Array) -> Array:
  """Return numbers of 32 bits at least."""
  return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _decayed(x: Array, params: Array, weight: float) -> Array:
  """Add weight decay to a gradient or a direction."""
  return x + weight * _wide(params) if weight else x


def _moved(params: Array, direction: Array, rate: Array) -> Array:
  """Return parameters after a step; its type may be wider than theirs."""
  return (_wide(params) - rate * direction).astype(params.dtype)


def _init(rule, exempt, storage, params):
  """Return the first state."""

  def zeros(x, keep):
    if keep or x.size < SMALLEST:
      return tuple(jnp.zeros(x.shape, jnp.float32) for _ in rule.books)
    shape = row_kernels.count(x.size, storage.block), storage.block
    return tuple(quantization.zeros(shape, book) for book in rule.books)

  moments = jax.tree.map(zeros, params, exempt)
  return EightBitState(jnp.zeros((), jnp.int32), moments)


def _each(rule, advance, rate, state, grads, *trees):
  """Return what `advance` makes of each array, and the next state."""
  count = state.count + 1
  scalars = tuple(
    jnp.asarray(x, jnp.float32) for x in (count, rate, *rule.scalars(count))
  )
  leaves, structure = jax.tree.flatten(grads)
  given = (structure.flatten_up_to(tree) for tree in (state.moments, *trees))
  made = [advance(*x, scalars) for x in zip(leaves, *given, strict=True)]
  new, moments = zip(*made, strict=True)
  moments = structure.unflatten(moments)
  return structure.unflatten(new), EightBitState(count, moments)


def _updated(make, rows, scalars, storage):
  """Return `written` and `stored` after the update make(storage)."""
  usual = make(storage)
  if not isinstance(rows.stored[0], Quantized):
    return usual.second(rows, usual.first(rows, scalars), scalars)
  kernel = make(storage._replace(folds=0))  # Triton cannot slice arrays.
  return jax.lax.platform_dependent(
    rows,
    scalars,
    cuda=functools.partial(row_kernels.as_kernel, kernel, block=storage.block),
    default=functools.partial(
      row_kernels.in_parts, usual, block=storage.block, chunk=storage.chunk
    ),
  )
