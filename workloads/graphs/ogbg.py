"""Prediction of molecular properties with a graph network, on ogbg-molpcba.

Battaglia et al. 2018, "Relational inductive biases, deep learning, and graph
networks", arXiv:1806.01261; sizes as in AlgoPerf (Dahl et al. 2023,
arXiv:2306.07179). Data: 437,929 molecules with their activity in up to 128
assays (Hu et al. 2020, arXiv:2005.00687; Wu et al. 2018, arXiv:1703.00564),
350,343 to train, 43,793 to validate, 43,793 to test.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from workloads.dropout import Dropout
from workloads.graphs import graphs, reader, synthetic
from workloads.graphs.atoms import EDGE_FEATURES, NODE_FEATURES, TASKS
from workloads.graphs.average_precision import mean_average_precision
from workloads.workload import Model, Workload

TOGETHER = 512  # Maximum graphs of a pool in evaluation.


class GNN(nn.Module):
  """Steps of message passing between edges, nodes and whole graphs.

  The fields mean the same as in Ogbg.
  """

  latent: int
  width: int
  layers: int
  steps: int
  tasks: int
  activation: str

  @nn.compact
  def __call__(self, pool, *, train, dropout):
    """Return logits [B, K] of the B graphs in a pool of P nodes, Q edges."""

    def perceptron(*inputs):  # Each [rows, .].
      h = jnp.concatenate(inputs, axis=1)
      for _ in range(self.layers):
        h = nn.LayerNorm()(nn.Dense(self.width)(h))
        h = getattr(nn, self.activation)(h)
        h = Dropout(dropout, deterministic=not train)(h)
      return h  # [rows, W]

    size, count = len(pool.nodes), len(pool.fits)
    nodes = nn.Dense(self.latent, name='node_embedding')(pool.nodes)
    edges = nn.Dense(self.latent, name='edge_embedding')(pool.edges)
    whole = jnp.zeros((count, self.tasks))  # Starts as wide as the output.
    for _ in range(self.steps):
      edges = perceptron(
        edges,
        graphs.take(nodes, pool.senders),
        graphs.take(nodes, pool.receivers),
        graphs.take(whole, pool.graph_of_edge),
      )  # [Q, W]
      nodes = perceptron(
        nodes,
        graphs.total(edges, pool.senders, size),
        graphs.total(edges, pool.receivers, size),
        graphs.take(whole, pool.graph_of_node),
      )  # [P, W]
      whole = perceptron(
        graphs.total(nodes, pool.graph_of_node, count),
        graphs.total(edges, pool.graph_of_edge, count),
        whole,
      )  # [B, W]
    return nn.Dense(self.tasks, name='head')(whole)


@dataclasses.dataclass(frozen=True)
class Ogbg(Workload):
  """Binary cross-entropy per known label; the metric is average precision.

  Batch: graphs as in graphs.py, with 9 node features and 3 edge features, all
  small integers, and two edges per bond; 'targets' [B, K], zero if unknown, and
  'labelled' [B, K], one if known.

  In training the graphs of a batch share a pool with room for B graphs of the
  usual size. A batch of published data has as many graphs as fit, like
  AlgoPerf's, and its other rows are empty (see reader.py). A batch of generated
  data has B graphs; graphs at the end without room are left out of the step.
  """

  latent: int = 256  # Width of embedded nodes and edges.
  width: int = 256  # Width of each layer of a perceptron.
  layers: int = 1  # Layers of each of the three perceptrons of a step.
  steps: int = 5  # Steps of message passing.
  activation: str = 'relu'
  tasks: int = TASKS  # K
  max_nodes: int = 336  # N: the data's largest graph has 332 nodes.
  max_edges: int = 768  # E: the largest graph has about 730; reading checks.
  pool_nodes: int | None = 26  # Rows of the pool per graph; None: max_nodes.
  pool_edges: int | None = 56  # Rows of the pool per graph; None: max_edges.
  data: str = 'ogbg-molpcba'  # Or 'molecules' (generated).
  quirks: tuple[str, ...] = ()
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)

  loss_kind = 'sigmoid'
  QUIRKS: ClassVar[dict[str, str]] = {
    'smoothing_over_tasks': 'Label smoothing s changes a binary label y to '
    'y (1 - s) + s / K, as if the K tasks were classes, not y (1 - s) + s / 2.'
  }

  @property
  def _net(self) -> GNN:
    return GNN(
      latent=self.latent,
      width=self.width,
      layers=self.layers,
      steps=self.steps,
      tasks=self.tasks,
      activation=self.activation,
    )

  def source(self, split, data_dir):
    if self.data == 'molecules':
      return synthetic.source(split, self.world)
    return reader.source('ogbg', split, data_dir, self._largest, self._usual)

  def fake_batch(self, key, batch_size):
    # One draw for all arrays: compiling each draw takes about a second.
    nodes, edges, tasks = self.max_nodes, self.max_edges, self.tasks
    sizes = (1, 1, nodes * NODE_FEATURES, edges * EDGE_FEATURES, 2 * edges)
    total = sum(sizes) + 2 * tasks
    draws = jax.random.uniform(key, (batch_size, total))
    draws = iter(jnp.split(draws, np.cumsum((*sizes, tasks)), axis=1))

    def integers(high, *shape):
      numbers = next(draws).reshape(batch_size, *shape) * high
      return numbers.astype(jnp.int32)  # Values 0 to high - 1.

    # Sizes up to the usual size: all graphs fit into the pool.
    n_node = 1 + integers(self._usual.nodes)
    n_edge = integers(1 + self._usual.edges)
    is_node = jnp.arange(nodes)[None] < n_node[:, None]
    is_edge = jnp.arange(edges)[None] < n_edge[:, None]
    node_features = integers(6, nodes, NODE_FEATURES) * is_node[..., None]
    edge_features = integers(4, edges, EDGE_FEATURES) * is_edge[..., None]
    ends = integers(n_node[:, None, None], 2, edges) * is_edge[:, None]
    labelled = integers(5, tasks) > 0
    targets = labelled & (integers(8, tasks) == 0)  # Few are positive.
    return {
      'nodes': node_features.astype(jnp.float32),
      'edges': edge_features.astype(jnp.float32),
      'senders': ends[:, 0],
      'receivers': ends[:, 1],
      'n_node': n_node,
      'n_edge': n_edge,
      'targets': targets.astype(jnp.float32),
      'labelled': labelled.astype(jnp.float32),
      'weights': jnp.ones(batch_size),
    }

  def init(self, key):
    nothing = jnp.zeros(1, jnp.int32)
    pool = graphs.Pool(
      nodes=jnp.zeros((1, NODE_FEATURES)),
      edges=jnp.zeros((1, EDGE_FEATURES)),
      senders=nothing,
      receivers=nothing,
      graph_of_node=nothing,
      graph_of_edge=nothing,
      fits=nothing == 0,
    )
    return Model(self._net.init(key, pool, train=False, dropout=0.0)['params'])

  def forward(self, model, batch, key, dropout, frozen=False):
    count = len(batch['n_node'])
    pool = graphs.pooled(batch, graphs.room(count, self._usual, self._largest))
    logits = self._net.apply(
      {'params': model.params},
      pool,
      train=True,
      dropout=dropout,
      rngs={'dropout': key},
    )
    return (logits, pool.fits), model.state

  def losses(self, outputs, batch, label_smoothing):
    logits, fits = outputs  # [B, K], [B]
    known = batch['labelled'] * fits[:, None]
    middle = 1 / self.tasks if 'smoothing_over_tasks' in self.quirks else 1 / 2
    targets = (1 - label_smoothing) * batch['targets']
    targets += label_smoothing * middle
    terms = optax.sigmoid_binary_cross_entropy(logits, targets)  # [B, K]
    return (terms * known).sum(axis=1), known.sum(axis=1)

  def padding(self, batch):
    """Return the share of empty node and edge rows in a training pool."""
    count = len(batch['n_node'])
    room = graphs.room(count, self._usual, self._largest)
    fits = graphs.fitting(batch, room, np.cumsum)  # Compiles nothing.
    real = (np.asarray(batch['n_node']) + np.asarray(batch['n_edge'])) * fits
    return float(1 - real.sum() / sum(room))

  def predict(self, model, batch) -> Any:
    """Return logits [B, K] of all graphs, and bool [B], from several pools.

    Pools have an eighth more room than usual graphs need. Most batches of at
    most TOGETHER graphs therefore need one pool.
    """
    count = min(len(batch['n_node']), TOGETHER)
    room = graphs.room(count + count // 8, self._usual, self._largest)

    def network(pool) -> Any:
      return self._net.apply(
        {'params': model.params}, pool, train=False, dropout=0.0
      )

    return graphs.in_turn(batch, count, room, network)

  def eval_stats(self, model, batch):
    logits, fits = self.predict(model, batch)
    losses, labels = self.losses((logits, fits), batch, 0.0)
    right = ((logits > 0) == (batch['targets'] > 0)) * batch['labelled']
    return {
      'logits': logits,
      'targets': batch['targets'],
      'labelled': batch['labelled'],
      'loss': losses,
      'right': right.sum(axis=1),
      'labels': labels,
    }

  def summarize(self, stats):
    loss, right, labels = (
      stats[name].sum(dtype=np.float64) for name in ('loss', 'right', 'labels')
    )
    precision = mean_average_precision(
      stats['logits'], stats['targets'], stats['labelled']
    )
    return {
      'mean_average_precision': precision,
      'loss': float(loss / labels),
      'accuracy': float(right / labels),
    }

  @property
  def _largest(self) -> graphs.Size:
    return graphs.Size(self.max_nodes, self.max_edges)

  @property
  def _usual(self) -> graphs.Size:
    nodes, edges = self.pool_nodes, self.pool_edges
    return graphs.Size(
      self.max_nodes if nodes is None else nodes,
      self.max_edges if edges is None else edges,
    )


MINI = Ogbg(
  latent=48,
  width=48,
  steps=3,
  tasks=synthetic.TASKS,
  max_nodes=synthetic.ATOMS,
  max_edges=synthetic.EDGES,
  pool_nodes=21,
  pool_edges=44,
  data='molecules',
)
VARIANTS = {
  'ogbg': Ogbg(),
  'ogbg/gelu': Ogbg(activation='gelu'),
  'ogbg/silu': Ogbg(activation='silu'),
  'ogbg/model_size': Ogbg(latent=128, layers=2, steps=3),
  'ogbg/mini': MINI,
  'ogbg/mini_gelu': dataclasses.replace(MINI, activation='gelu'),
  'ogbg/mini_model_size': dataclasses.replace(
    MINI, latent=24, layers=2, steps=2
  ),
}
