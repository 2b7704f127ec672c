"""Padded graphs, and pools that contain the graphs of a batch without padding.

Every graph of a batch has rows for the largest possible graph. The leading axis
is B in all arrays:

  'nodes' [B, N, F], 'edges' [B, E, F]: features; edges are directed.
  'senders', 'receivers' [B, E]: nodes where an edge begins and ends, numbered
    within their graph.
  'n_node', 'n_edge' [B]: number of real rows, which come first.

Molecules fill a twelfth of such rows. A network therefore receives a pool: the
real rows of all graphs, one after another, in arrays of a static size. Padding
never enters a pool.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from workloads.workload import Array, Batch

FIELDS = ('nodes', 'edges', 'senders', 'receivers', 'n_node', 'n_edge')


class Size(NamedTuple):
  """Number of rows for nodes and for edges."""

  nodes: int
  edges: int


def room(count: int, usual: Size, largest: Size) -> Size:
  """Return the size of a pool for `count` graphs of the usual size.

  Args:
    count: Number of graphs.
    usual: Rows per usual graph.
    largest: Rows of the largest graph, which fits into every pool.
  """
  return Size(
    max(count * usual.nodes, largest.nodes),
    max(count * usual.edges, largest.edges),
  )


class Pool(NamedTuple):
  """B graphs in P rows for nodes and Q rows for edges; the last are empty.

  Empty rows have zero features. Their node number is P and their graph number
  is B, both out of range: `take` and `total` ignore such rows.
  """

  nodes: Array  # [P, F]
  edges: Array  # [Q, F]
  senders: Array  # [Q]: rows of the pool's nodes.
  receivers: Array  # [Q]
  graph_of_node: Array  # [P]
  graph_of_edge: Array  # [Q]
  fits: Array  # [B] bool: the graph is in the pool.


def fitting(
  batch: Batch, room: Size, cumsum: Callable[[Any], Any] = jnp.cumsum
) -> Any:
  """Return bool [B]: the first graphs of a batch that fit into `room`.

  Args:
    batch: The graphs.
    room: Rows of a pool.
    cumsum: jnp.cumsum or, on the host, np.cumsum.
  """
  nodes = cumsum(batch['n_node']) <= room.nodes
  return nodes & (cumsum(batch['n_edge']) <= room.edges)


def pooled(batch: Batch, room: Size) -> Pool:
  """Return a pool of the first graphs of a batch that fit into `room`."""
  fits = fitting(batch, room)
  starts = jnp.cumsum(batch['n_node']) - batch['n_node']  # [B]
  node_rows = _real_rows(batch['nodes'], batch['n_node'] * fits, room.nodes)
  edge_rows = _real_rows(batch['edges'], batch['n_edge'] * fits, room.edges)
  graph_of_edge = edge_rows // batch['edges'].shape[1]

  def ends_of_edges(name):
    numbers = take(batch[name].reshape(-1), edge_rows)  # [Q]
    real = graph_of_edge < len(fits)
    return jnp.where(real, numbers + take(starts, graph_of_edge), room.nodes)

  return Pool(
    nodes=take(_joined(batch['nodes']), node_rows),
    edges=take(_joined(batch['edges']), edge_rows),
    senders=ends_of_edges('senders'),
    receivers=ends_of_edges('receivers'),
    graph_of_node=node_rows // batch['nodes'].shape[1],
    graph_of_edge=graph_of_edge,
    fits=fits,
  )


def in_turn(
  batch: Batch, count: int, room: Size, network: Callable[[Pool], Array]
) -> tuple[Array, Array]:
  """Compute outputs [B, K] for all graphs of a batch, pool by pool.

  The number of pools depends on the graphs. The loop has no gradients.

  Args:
    batch: Graphs.
    count: Maximum graphs per pool, at most B.
    room: Size of a pool; every single graph fits.
    network: Returns outputs [count, K] of the graphs in a pool.

  Returns:
    Outputs [B, K], and bool [B]: the graph has an output.
  """
  total = len(batch['n_node'])
  graphs = {name: batch[name] for name in FIELDS}

  def fill(state):
    done, outputs = state
    start = jnp.minimum(done, total - count)
    window = {
      name: jax.lax.dynamic_slice_in_dim(rows, start, count)
      for name, rows in graphs.items()
    }
    # The last window starts early and may repeat finished graphs.
    left = start + jnp.arange(count) >= done
    window |= {name: window[name] * left for name in ('n_node', 'n_edge')}
    pool = pooled(window, room)
    new = left & pool.fits
    old = jax.lax.dynamic_slice_in_dim(outputs, start, count)
    outputs = jax.lax.dynamic_update_slice_in_dim(
      outputs, jnp.where(new[:, None], network(pool), old), start, 0
    )
    return done + new.sum(dtype=done.dtype), outputs

  shape = jax.eval_shape(lambda g: network(pooled(g, room)), graphs)
  nothing = jnp.zeros((total, shape.shape[1]), shape.dtype)
  done, outputs = jax.lax.while_loop(
    lambda state: state[0] < total, fill, (jnp.zeros((), jnp.int32), nothing)
  )
  return outputs, jnp.arange(total) < done


def take(values: Array, rows: Array) -> Array:
  """Return the values [R, ...] at rows [Q]; zero for row R."""
  return values.at[rows].get(mode='fill', fill_value=0)


def total(values: Array, rows: Array, size: int) -> Array:
  """Sum values by row number; ignore row `size`.

  Args:
    values: [Q, ...].
    rows: Row of each value, [Q].
    size: Number of rows.

  Returns:
    Sums [size, ...].
  """
  return jax.ops.segment_sum(values, rows, num_segments=size, mode='drop')


def _real_rows(rows: Array, counts: Array, size: int) -> Array:
  """Return the numbers [size] of real rows, the first `counts` [B] per graph.

  The rows [B, N, ...] are numbered from 0 to B * N - 1. The remaining numbers
  are B * N.
  """
  real = jnp.arange(rows.shape[1])[None] < counts[:, None]  # [B, N]
  return jnp.nonzero(real.reshape(-1), size=size, fill_value=real.size)[0]


def _joined(rows: Array) -> Array:
  return rows.reshape(-1, rows.shape[-1])  # [B, N, F] to [B * N, F].
