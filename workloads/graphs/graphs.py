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

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from workloads.workload import Array, Batch

FIELDS = ('nodes', 'edges', 'senders', 'receivers', 'n_node', 'n_edge')


class Size(NamedTuple):
  """Rows for nodes and for edges."""

  nodes: int
  edges: int


def room(count: int, usual: Size, largest: Size) -> Size:
  """Of a pool for that many graphs of the usual size.

  The largest graph fits into it, however few they are.
  """
  return Size(
    max(count * usual.nodes, largest.nodes),
    max(count * usual.edges, largest.edges),
  )


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


def fitting(batch: Batch, room: Size) -> Array:
  """Bool [B]: the first graphs of a batch, as many as there is room for."""
  nodes = jnp.cumsum(batch['n_node']) <= room.nodes
  return nodes & (jnp.cumsum(batch['n_edge']) <= room.edges)


def pooled(batch: Batch, room: Size) -> Pool:
  """The first graphs of a batch, as many as there is room for."""
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
  """Outputs [B, K] for all graphs of a batch, one pool after another.

  How many pools it takes depends on the graphs; gradients do not go through.

  Args:
    batch: Graphs.
    count: That are put into a pool at most, B or fewer.
    room: In a pool; every graph has it.
    network: Outputs of the graphs in a pool.

  Returns:
    Outputs, and bool [B]: of each there are some.
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
    left = start + jnp.arange(count) >= done  # Not those before, at the end.
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
