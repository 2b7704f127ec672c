"""What each parameter is for, told by name and rank.

Models follow one naming rule: the output layer is called 'head' and a table of
embeddings 'embedding'. A model without a 'head' ties its output to its table.
"""

import jax

from workloads.workload import PyTree


def roles(params: PyTree) -> PyTree:
  """A tree like params of 'embedding', 'head', 'vector' or 'weight'."""

  def role(path, leaf) -> str:
    names = {key.key for key in path}
    if leaf.ndim < 2:
      return 'vector'
    return next((r for r in ('embedding', 'head') if r in names), 'weight')

  return jax.tree_util.tree_map_with_path(role, params)
