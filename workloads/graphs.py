"""Padded graphs, and pools that hold the graphs of a batch without padding.

A batch has rows for the largest graph there may be in each of its graphs, so
that its leading axis is B everywhere:

  'nodes' [B, N, F], 'edges' [B, E, F]: features; edges are directed.
  'senders', 'receivers' [B, E]: number within its graph of the node where an
    edge begins or ends.
  'n_node', 'n_edge' [B]: how many rows of each are real, the first ones.

Molecules fill a twelfth of such rows. A network therefore sees a pool: the
real rows of all graphs, one after another, in arrays of a static size. What
padding holds never gets there.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from workloads.workload import Array, Batch


class Pool(NamedTuple):
  """B graphs in P rows for nodes and Q for edges, the last of them empty.

  Empty rows have features zero, and P or B where they should point to a node
  or a graph: one too many, which `take` and `total` understand.
  """

  nodes: Array  # [P, F]
  edges: Array  # [Q, F]
  senders: Array  # [Q]: rows of the pool's nodes.
  receivers: Array  # [Q]
  graph_of_node: Array  # [P]
  graph_of_edge: Array  # [Q]
  fits: Array  # [B] bool: whether a graph is in the pool.


def pooled(batch: Batch, nodes: int, edges: int) -> Pool:
  """The first graphs of a batch, as many as fit into that many rows."""
  ends = jnp.cumsum(batch['n_node'])  # [B]: a graph's rows end before.
  fits = (ends <= nodes) & (jnp.cumsum(batch['n_edge']) <= edges)
  starts = ends - batch['n_node']
  node_rows = _real_rows(batch['nodes'], batch['n_node'] * fits, nodes)
  edge_rows = _real_rows(batch['edges'], batch['n_edge'] * fits, edges)
  graph_of_edge = edge_rows // batch['edges'].shape[1]

  def ends_of_edges(name):
    numbers = take(batch[name].reshape(-1), edge_rows)  # [Q]
    real = graph_of_edge < len(fits)
    return jnp.where(real, numbers + take(starts, graph_of_edge), nodes)

  return Pool(
    nodes=take(_joined(batch['nodes']), node_rows),
    edges=take(_joined(batch['edges']), edge_rows),
    senders=ends_of_edges('senders'),
    receivers=ends_of_edges('receivers'),
    graph_of_node=node_rows // batch['nodes'].shape[1],
    graph_of_edge=graph_of_edge,
    fits=fits,
  )


def take(values: Array, rows: Array) -> Array:
  """The values [R, ...] in these rows [Q]; zero for a row one too many."""
  return values.at[rows].get(mode='fill', fill_value=0)


def total(values: Array, rows: Array, size: int) -> Array:
  """Sums [size, ...] of the values [Q, ...] that belong to a row [Q].

  What belongs to a row one too many is left out.
  """
  return jax.ops.segment_sum(values, rows, num_segments=size, mode='drop')


def _real_rows(rows: Array, counts: Array, size: int) -> Array:
  """Numbers [size] of the first counts [B] of the rows [B, N, ...] of graphs.

  Rows are numbered through all graphs; B * N fills what is left over.
  """
  real = jnp.arange(rows.shape[1])[None] < counts[:, None]  # [B, N]
  return jnp.nonzero(real.reshape(-1), size=size, fill_value=real.size)[0]


def _joined(rows: Array) -> Array:
  return rows.reshape(-1, rows.shape[-1])  # [B, N, F] to [B * N, F].
