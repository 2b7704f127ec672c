"""Roles of parameters, derived from their names and shapes.

All models follow one naming rule: the output layer is called 'head', and an
embedding table 'embedding'. A model without a 'head' uses its embedding table
as its output layer.
"""

import jax

from workloads.workload import PyTree

PROJECTIONS = ('query', 'key', 'value')  # Kernels [width, heads, head width].


def roles(params: PyTree) -> PyTree:
  """Return a tree like params of 'embedding', 'head', 'vector' or 'weight'.

  Vectors are all biases (including those of several heads), scales, and other
  parameters with only one axis longer than one. An output layer with one unit
  is a 'head'.
  """

  def role(path, leaf) -> str:
    names = [key.key for key in path]
    if leaf.ndim < 2 or names[-1] == 'bias':
      return 'vector'
    for known in ('embedding', 'head'):
      if known in names:
        return known
    return 'vector' if leaf.size == max(leaf.shape) else 'weight'

  return jax.tree_util.tree_map_with_path(role, params)


def input_axes(params: PyTree) -> PyTree:
  """Return the number of leading input axes of each parameter.

  The input axes, flattened, are the rows of the kernel's matrix; the other
  axes are its columns. Examples: [width, heads x head width] for a query,
  [height x width x channels, features] for a convolution.
  """

  def count(path, leaf) -> int:
    names = {key.key for key in path}
    return 1 if names & set(PROJECTIONS) else max(0, leaf.ndim - 1)

  return jax.tree_util.tree_map_with_path(count, params)
