"""Kernels as batches of small matrices, for methods with matrix factors."""

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
  """Square matrices for the rows and columns of one kernel's blocks."""

  left: Array  # Matrices of the rows: [number, rows, rows].
  right: Array  # Matrices of the columns: [number, columns, columns].


def factored(
  task: Task,
  inner: optax.GradientTransformation,
  other: optax.GradientTransformation,
  largest: int,
) -> optax.GradientTransformation:
  """Apply `inner` to kernels, cut into blocks, and `other` to the rest.

  Blocks have 32 bits at least, because decompositions need them. Their numbers
  are limited to 1e15: squares of larger numbers overflow float32, and a factor
  that is not finite stays so.

  The kernels are those of hidden layers and of the output layer. Embedding
  tables are excluded: a batch uses only a few of their rows, so their factors
  would be large and nearly diagonal.

  Args:
    task: The task passed to `build`.
    inner: Transforms arrays [number, rows, columns], made by `split`.
    other: Transforms all other parameters.
    largest: Largest number of rows or columns of a block.
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
  """Cut a kernel into blocks of equal shape, [number, rows, columns].

  Blocks are as even as possible: 300 rows make three blocks of 100, not 128,
  128 and 44. If the number of blocks does not divide the rows or columns, zeros
  fill the last blocks.

  Args:
    kernel: Any shape; its first axes are the rows of a matrix.
    inputs: Number of these axes.
    largest: Largest number of rows or columns of a block.
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
  """Return the kernel that `split` has cut into blocks.

  Args:
    blocks: The blocks [number, rows, columns].
    shape: Shape of the kernel.
    inputs: Number of the kernel's axes that are rows of a matrix.
    largest: Largest number of rows or columns of a block.
  """
  (up, rows), (across, columns) = _cuts(shape, inputs, largest)
  cut = blocks.reshape(up, across, rows, columns).swapaxes(1, 2)
  height, width = math.prod(shape[:inputs]), math.prod(shape[inputs:])
  matrix = cut.reshape(up * rows, across * columns)[:height, :width]
  return matrix.reshape(shape)


def grams(blocks: Array) -> Pair:
  """Return G G' and G' G of every block G."""
  return Pair(blocks @ blocks.mT, blocks.mT @ blocks)


def together(
  function: Callable[[Array], Array], tree: PyTree, corner: float = 0.0
) -> PyTree:
  """Apply a function of square matrices to all matrices of a tree at once.

  Every matrix is copied to the top left corner of a matrix as large as the
  largest, and the same corner of the result is taken. The rest is zero, except
  the diagonal, which is `corner` times the trace: below all eigenvalues if
  `corner` is negative.

  The tree needs one call of LAPACK. JAX 0.10.2 splits a batch over the threads
  that also run the call and wait for it: two such calls at the same time on two
  cores wait for ever. One call also compiles faster.

  Args:
    function: Maps arrays [number, n, n] to arrays of the same shape.
    tree: Arrays [number, n, n]; n may differ.
    corner: Factor on the trace, or on 1 if the trace is zero.
  """
  leaves, structure = jax.tree.flatten(tree)
  largest = max(x.shape[-1] for x in leaves)

  def fill(x):
    rest = largest - x.shape[-1]
    # The mark of a matrix of zeros must differ from its own eigenvalues, too.
    trace = jnp.trace(x, axis1=1, axis2=2)
    size = corner * jnp.where(trace > 0, trace, 1.0)
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
  """Return (number of blocks, length of a block) for rows and for columns."""
  return [
    (number := -(-length // largest), -(-length // number))
    for length in (math.prod(shape[:inputs]), math.prod(shape[inputs:]))
  ]
