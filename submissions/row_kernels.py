"""Functions applied to the rows of arrays, a part of the rows at a time."""

import math
from collections.abc import Callable

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from workloads.workload import Array, PyTree

ROWS = 16  # Rows that one program of a kernel computes.

Scalars = tuple[Array, ...]
Function = Callable[[PyTree, Scalars], PyTree]


def in_parts(
  function: Function, rows: PyTree, scalars: Scalars, parts: int
) -> PyTree:
  """Compute function(rows, scalars) in place, one part of the rows at a time.

  The temporary arrays of the function then need memory for one part only. A
  scan would hold the old and new rows at the same time.

  Args:
    function: Maps every row by itself; returns rows of the same shapes.
    rows: Arrays whose first axis is a multiple of `parts`.
    scalars: Further arguments, the same for all rows.
    parts: Number of parts.
  """
  if parts == 1:
    return function(rows, scalars)
  size = jax.tree.leaves(rows)[0].shape[0] // parts

  def part(i, rows):
    return jax.tree.map(
      lambda x: jax.lax.dynamic_slice_in_dim(x, i * size, size), rows
    )

  def body(i, rows):
    # Always true. Without the condition XLA fuses the function with the writing
    # of its results, number by number: Lion took three times as long.
    made = jax.lax.cond(
      i >= 0,
      lambda rows: function(part(i, rows), scalars),
      lambda rows: part(i, rows),
      rows,
    )
    return jax.tree.map(
      lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, i * size, 0),
      rows,
      made,
    )

  return jax.lax.fori_loop(0, parts, body, rows)


def as_kernel(
  function: Function, rows: PyTree, scalars: Scalars, interpret: bool = False
) -> PyTree:
  """Compute function(rows, scalars) in place, as one GPU kernel.

  XLA makes several kernels of a function that reads whole rows, and passes
  intermediate results through memory. Pallas lowers this kernel through Triton.
  Tests run it in interpret mode on a CPU, because no GPU was available.

  Args:
    function: Maps every row by itself; returns rows of the same shapes.
    rows: Arrays with the same first axis.
    scalars: Further arguments, the same for all rows.
    interpret: Run without a GPU, slowly.
  """
  leaves, structure = jax.tree.flatten(rows)
  number = math.gcd(leaves[0].shape[0], ROWS)

  def kernel(*refs):
    given, made = refs[: -len(leaves)], refs[-len(leaves) :]
    part = structure.unflatten([ref[...] for ref in given[: len(leaves)]])
    shared = tuple(ref[0] for ref in given[len(leaves) :])
    found = jax.tree.leaves(function(part, shared))
    for ref, x in zip(made, found, strict=True):
      ref[...] = x

  def of_program(x):
    rest = x.shape[1:]
    return pl.BlockSpec((number, *rest), lambda i: (i, *(0 for _ in rest)))

  specs = [of_program(x) for x in leaves]
  made = pl.pallas_call(
    kernel,
    out_shape=[jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves],
    grid=(leaves[0].shape[0] // number,),
    in_specs=[*specs, *(pl.BlockSpec((1,), lambda i: (0,)) for _ in scalars)],
    out_specs=specs,
    input_output_aliases={i: i for i in range(len(leaves))},
    compiler_params=None if interpret else triton.CompilerParams(),
    interpret=interpret,
  )(*leaves, *(x.reshape(1) for x in scalars))
  return structure.unflatten(made)
