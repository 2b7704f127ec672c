"""What each parameter is for, told by name and shape.

Models follow one naming rule: the output layer is called 'head' and a table of
embeddings 'embedding'. A model without a 'head' ties its output to its table.
"""

import jax

from workloads.workload import PyTree

PROJECTIONS = ('query', 'key', 'value')  # Kernels [width, heads, head width].


def roles(params: PyTree) -> PyTree:
  """A tree like params of 'embedding', 'head', 'vector' or 'weight'.

  Vectors are biases, also those of several heads, scales, and whatever else
  has one axis longer than one; an output layer of one unit is still a 'head'.
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
  """How many leading axes of each parameter are the inputs of a linear map.

  The product of those against the product of the others is the matrix that a
  kernel is: [width, heads x head width] of a query, [height x width x channels,
  features] of a convolution.
  """

  def count(path, leaf) -> int:
    names = {key.key for key in path}
    return 1 if names & set(PROJECTIONS) else max(0, leaf.ndim - 1)

  return jax.tree_util.tree_map_with_path(count, params)
