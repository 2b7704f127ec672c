"""Arrays updated in place, a part of their rows at a time.

A row is `block` numbers of a flattened array, and what is stored for them. The
last row may be short. An update has two stages, because the first one's results
are read several times: their largest numbers are found before their codes.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from workloads.workload import Array, PyTree

ROWS = 16  # Rows that one program of a kernel computes.

Scalars = tuple[Array, ...]


class Rows(NamedTuple):
  """Arrays whose rows belong together."""

  written: Array  # Any shape; gets new values.
  stored: PyTree  # Arrays with one entry for each row; get new values.
  read: tuple[Array, ...] = ()  # As large as `written`.


class Stages(NamedTuple):
  """An update of rows. Arrays of numbers are [rows, block] here."""

  first: Callable[[Rows, Scalars], PyTree]
  """Returns results for `second`."""
  second: Callable[[Rows, PyTree, Scalars], tuple[Array, PyTree]]
  """(rows, results of `first`, scalars) -> `written` and `stored`."""


def count(size: int, block: int) -> int:
  """Return the number of rows of `size` numbers."""
  return -(-size // block)


def in_parts(
  stages: Stages, rows: Rows, scalars: Scalars, block: int, chunk: int
) -> tuple[Array, PyTree]:
  """Return `written` and `stored` after an update, made in place by a loop.

  Temporary arrays then need memory for one part of the rows, and stay in the
  caches of a CPU. A scan would hold old and new arrays at the same time.

  Args:
    stages: The update.
    rows: The arrays.
    scalars: Further arguments, the same for all rows; the first is positive.
    block: Numbers in a row.
    chunk: Numbers in a part, at most, if a row is not longer.
  """
  flat = Rows(
    rows.written.ravel(), rows.stored, tuple(x.ravel() for x in rows.read)
  )
  size = flat.written.size
  number = _even(size // block, max(1, chunk // block))
  parts = size // (number * block)

  def part(i, carried):
    return _part(stages, flat, carried, scalars, i * number, number, block)

  done = flat.written, flat.stored
  done = (
    part(0, done) if parts == 1 else jax.lax.fori_loop(0, parts, part, done)
  )
  if rest := count(size, block) - parts * number:
    done = _part(stages, flat, done, scalars, parts * number, rest, block)
  return done[0].reshape(rows.written.shape), done[1]


def _part(stages, flat, carried, scalars, start, number, block):
  """Return flat arrays and stored ones after an update of `number` rows."""
  written, stored = carried
  last = isinstance(start, int)
  length = min(number * block, written.size - (start * block if last else 0))

  def numbers(x):
    x = jax.lax.dynamic_slice_in_dim(x, start * block, length)
    return jnp.pad(x, (0, number * block - length)).reshape(number, block)

  def cut(written, stored, read):
    return Rows(
      numbers(written),
      jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, start, number), stored
      ),
      tuple(numbers(x) for x in read),
    )

  def first(written, stored, read):
    return stages.first(cut(written, stored, read), scalars)

  given = written, stored, flat.read
  shapes = jax.eval_shape(first, *given)
  # Always true. Without the condition XLA computes the first stage again for
  # every use of its results.
  results = jax.lax.cond(
    scalars[0] >= 0,
    first,
    lambda *_: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes),
    *given,
  )
  made, kept = stages.second(cut(*given), results, scalars)
  written = jax.lax.dynamic_update_slice_in_dim(
    written, made.ravel()[:length], start * block, 0
  )
  stored = jax.tree.map(
    lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, start, 0),
    stored,
    kept,
  )
  return written, stored


def _even(number: int, largest: int) -> int:
  """Return rows in a part: no more than half a part fewer, if none are left."""
  for rows in range(min(number, largest), largest // 2, -1):
    if number % rows == 0:
      return rows
  return min(max(number, 1), largest)


def as_kernel(
  stages: Stages,
  rows: Rows,
  scalars: Scalars,
  block: int,
  interpret: bool = False,
) -> tuple[Array, PyTree]:
  """Return `written` and `stored` after an update, made by one GPU kernel.

  XLA makes several kernels of a function that reads whole rows, and passes
  intermediate results through memory. Pallas lowers this kernel through Triton.
  Tests run it in interpret mode on a CPU, because no GPU was available. Arrays
  with a short last row are copied.

  Args:
    stages: The update.
    rows: The arrays.
    scalars: Further arguments, the same for all rows.
    block: Numbers in a row.
    interpret: Run without a GPU, slowly.
  """
  size = rows.written.size
  height = count(size, block)

  def numbers(x):
    padded = jnp.pad(x.ravel(), (0, height * block - size))
    return padded.reshape(height, block)

  stored, structure = jax.tree.flatten(rows.stored)
  changed = [numbers(rows.written), *stored]
  given = [*changed, *(numbers(x) for x in rows.read)]
  number = math.gcd(height, ROWS)

  def kernel(*refs):
    inputs, outputs = refs[: -len(changed)], refs[-len(changed) :]
    values = [ref[...] for ref in inputs[: len(given)]]
    shared = tuple(ref[0] for ref in inputs[len(given) :])
    part = Rows(
      values[0],
      structure.unflatten(values[1 : len(changed)]),
      tuple(values[len(changed) :]),
    )
    made, kept = stages.second(part, stages.first(part, shared), shared)
    for ref, x in zip(outputs, [made, *jax.tree.leaves(kept)], strict=True):
      ref[...] = x

  def of_program(x):
    rest = x.shape[1:]
    return pl.BlockSpec((number, *rest), lambda i: (i, *(0 for _ in rest)))

  made, *kept = pl.pallas_call(
    kernel,
    out_shape=[jax.ShapeDtypeStruct(x.shape, x.dtype) for x in changed],
    grid=(height // number,),
    in_specs=[
      *(of_program(x) for x in given),
      *(pl.BlockSpec((1,), lambda i: (0,)) for _ in scalars),
    ],
    out_specs=[of_program(x) for x in changed],
    input_output_aliases={i: i for i in range(len(changed))},
    compiler_params=None if interpret else triton.CompilerParams(),
    interpret=interpret,
  )(*given, *(x.reshape(1) for x in scalars))
  made = made.ravel()[:size].reshape(rows.written.shape)
  return made, structure.unflatten(kept)
