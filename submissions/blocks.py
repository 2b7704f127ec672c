"""Kernels as batches of small matrices, for methods that factor them."""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from submissions import transforms
from submissions.submission import Task
from workloads.workload import Array, PyTree

LARGEST = 1e15


class Pair(NamedTuple):
  """For the rows and the columns of one kernel's blocks: [number, n, n]."""

  left: Array
  right: Array


def factored(
  task: Task,
  inner: optax.GradientTransformation,
  other: optax.GradientTransformation,
  largest: int,
) -> optax.GradientTransformation:
  """Gives kernels to `inner` as blocks, everything else to `other` as it is.

  Blocks have 32 bits at least, as decompositions want them, and numbers of at
  most 1e15: the squares of larger ones leave float32, and a factor that is not
  finite never is again.

  Kernels are those of hidden layers and of the output layer. A table of
  embeddings is none: its rows are looked up, a few at a time, so factors of it
  would be large and nearly diagonal.

  Args:
    task: As handed to `build`.
    inner: Sees arrays [number, rows, columns], as `split` makes them.
    other: Follows the rest.
    largest: The most rows and columns of a block.
  """
  kernels = task.mask('weight', 'head')
  labels = jax.tree.map(lambda k: 'kernel' if k else 'other', kernels)
  inputs = jax.tree.map(
    lambda k, n: n if k else optax.MaskedNode(), kernels, task.input_axes
  )

  def cut(tree):
    def one(n, x):
      x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
      return split(transforms.bounded(x, LARGEST), n, largest)

    return jax.tree.map(one, inputs, tree)

  def init(params):
    return inner.init(cut(params))

  def update(updates, state, params=None):
    del params
    found, state = inner.update(cut(updates), state)
    joined = jax.tree.map(
      lambda n, x, like: join(x, like.shape, n, largest).astype(like.dtype),
      inputs, found, updates,
    )  # fmt: skip
    return joined, state

  blockwise = optax.GradientTransformation(init, update)
  return optax.partition({'kernel': blockwise, 'other': other}, labels)


def split(kernel: Array, inputs: int, largest: int) -> Array:
  """Cuts a kernel into blocks of equal shape, [number, rows, columns].

  Blocks are as even as can be: 300 rows make three blocks of 100, not 128, 128
  and 44. What their number does not divide is filled up with zeros.

  Args:
    kernel: Any shape; its first axes are the rows of a matrix.
    inputs: How many those are.
    largest: The most rows and columns of a block.
  """
  (up, rows), (across, columns) = _cuts(kernel.shape, inputs, largest)
  matrix = kernel.reshape(math.prod(kernel.shape[:inputs]), -1)
  padding = [
    (0, up * rows - matrix.shape[0]),
    (0, across * columns - matrix.shape[1]),
  ]
  cut = jnp.pad(matrix, padding).reshape(up, rows, across, columns)
  return cut.swapaxes(1, 2).reshape(up * across, rows, columns)


def join(
  blocks: Array, shape: tuple[int, ...], inputs: int, largest: int
) -> Array:
  """The kernel of that shape, from its blocks."""
  (up, rows), (across, columns) = _cuts(shape, inputs, largest)
  cut = blocks.reshape(up, across, rows, columns).swapaxes(1, 2)
  height, width = math.prod(shape[:inputs]), math.prod(shape[inputs:])
  matrix = cut.reshape(up * rows, across * columns)[:height, :width]
  return matrix.reshape(shape)


def grams(blocks: Array) -> Pair:
  """G G' and G' G of every block G."""
  return Pair(blocks @ blocks.mT, blocks.mT @ blocks)


def together(
  function: Callable[[Array], Array], tree: PyTree, corner: float = 0.0
) -> PyTree:
  """Applies a function of square matrices [..., n, n] to all of a tree at once.

  Each is put into the top left corner of one as large as the largest, and what
  comes out there is taken. Zeros fill up the rest, but for `corner` times the
  trace on the diagonal.

  LAPACK is called once because JAX 0.10.2 splits a batch over the threads that
  also run the call, which waits: two such calls at a time on two cores wait for
  ever. It also compiles once.
  """
  leaves, structure = jax.tree.flatten(tree)
  largest = max(x.shape[-1] for x in leaves)

  def fill(x):
    rest = largest - x.shape[-1]
    size = corner * jnp.trace(x, axis1=1, axis2=2)
    mark = jnp.diag(jnp.arange(largest) >= x.shape[-1])
    wide = jnp.pad(x, [(0, 0), (0, rest), (0, rest)])
    return jnp.where(mark, size[:, None, None], wide)

  found = function(jnp.concatenate([fill(x) for x in leaves]))
  ends = list(itertools.accumulate(len(x) for x in leaves))
  parts = [
    found[end - len(x) : end, : x.shape[-1], : x.shape[-1]]
    for x, end in zip(leaves, ends, strict=True)
  ]
  return jax.tree.unflatten(structure, parts)


def _cuts(shape, inputs, largest):
  """Of rows and of columns: how many blocks, and how long."""
  return [
    (number := -(-length // largest), -(-length // number))
    for length in (math.prod(shape[:inputs]), math.prod(shape[inputs:]))
  ]
