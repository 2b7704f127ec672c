"""Graphs in pools, the graph network, average precision and made-up molecules.

Published sizes and initial values against a record of AlgoPerf's own
(../shared/data/param_shapes, skipped where it is not there).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special
from sklearn.metrics import average_precision_score

from workloads.graphs import graphs, ogbg, synthetic
from workloads.graphs.average_precision import mean_average_precision
from workloads.workload import Model, mean_loss

TINY = ogbg.Ogbg(
  latent=4,
  width=6,
  steps=1,
  tasks=3,
  max_nodes=5,
  max_edges=8,
  pool_nodes=None,
  pool_edges=None,
)


def _random_model(workload) -> Model:
  """Also biases and norms are random, so that none is forgotten."""
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: rng.standard_normal(leaf.shape).astype(np.float32),
    jax.eval_shape(workload.init, jax.random.key(0)),
  )


@pytest.fixture(scope='module')
def model():
  return _random_model(TINY)


@pytest.fixture(scope='module')
def batch():
  """Six graphs; the first fills its rows, the second has no edge."""
  rng = np.random.default_rng(0)
  n_node, n_edge = np.array([5, 1, 3, 2, 4, 2]), np.array([8, 0, 4, 3, 6, 1])
  labelled = rng.integers(0, 4, (6, 3)) > 0
  batch = {
    'nodes': rng.integers(0, 6, (6, 5, 9)).astype(np.float32),
    'edges': rng.integers(0, 4, (6, 8, 3)).astype(np.float32),
    'senders': rng.integers(0, 99, (6, 8)) % n_node[:, None],
    'receivers': rng.integers(0, 99, (6, 8)) % n_node[:, None],
    'n_node': n_node,
    'n_edge': n_edge,
    'targets': (rng.integers(0, 2, (6, 3)) * labelled).astype(np.float32),
    'labelled': labelled.astype(np.float32),
    'weights': np.ones(6, np.float32),
  }
  return jax.tree.map(_as_in_a_batch, batch)


def _as_in_a_batch(rows):
  return rows.astype(np.int32) if rows.dtype == np.int64 else rows


_pooled = jax.jit(graphs.pooled, static_argnums=1)
_forward = jax.jit(ogbg.Ogbg.forward, static_argnums=(0, 4))
_examine = jax.jit(ogbg.Ogbg.eval_stats, static_argnums=0)
KEY = jax.random.key(0)


def _layer(params, number, x):
  """Linear, normalized, rectified."""
  dense = params[f'Dense_{number}']
  h = x @ dense['kernel'] + dense['bias']
  h = (h - h.mean()) / np.sqrt(h.var() + 1e-6)
  norm = params[f'LayerNorm_{number}']
  return np.maximum(h * norm['scale'] + norm['bias'], 0)


def _expected(params, batch, row):
  """Logits of one graph, edge by edge and node by node."""
  p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
  count, bonds = (int(batch[n][row]) for n in ('n_node', 'n_edge'))
  begin, end = (np.asarray(batch[n][row]) for n in ('senders', 'receivers'))

  def embedded(kind, rows):
    layer = p[f'{kind}_embedding']
    return list(np.asarray(rows, float) @ layer['kernel'] + layer['bias'])

  nodes = embedded('node', batch['nodes'][row][:count])
  edges = embedded('edge', batch['edges'][row][:bonds])
  whole = np.zeros(3)
  for step in range(2):
    edges = [
      _layer(
        p, 3 * step, np.concatenate([e, nodes[begin[n]], nodes[end[n]], whole])
      )
      for n, e in enumerate(edges)
    ]

    def sent(node, there, edges=edges):
      found = [e for n, e in enumerate(edges) if there[n] == node]
      return np.sum(found, axis=0) if found else np.zeros(6)

    nodes = [
      _layer(
        p,
        3 * step + 1,
        np.concatenate([v, sent(n, begin), sent(n, end), whole]),
      )
      for n, v in enumerate(nodes)
    ]
    all_edges = np.sum(edges, axis=0) if edges else np.zeros(6)
    parts = [np.sum(nodes, axis=0), all_edges, whole]
    whole = _layer(p, 3 * step + 2, np.concatenate(parts))
  return whole @ p['head']['kernel'] + p['head']['bias']


def test_the_network_is_what_the_formulas_say(batch):
  workload = dataclasses.replace(TINY, steps=2)
  model = _random_model(workload)
  logits = _examine(workload, model, batch)['logits']
  expected = [_expected(model.params, batch, row) for row in range(6)]
  # A norm of six units enlarges the rounding errors of float32, a few 1e-7.
  np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


def test_padding_does_not_count(model, batch):
  no_node = np.arange(5) >= batch['n_node'][:, None]  # [B, N]
  no_edge = np.arange(8) >= batch['n_edge'][:, None]  # [B, E]
  changed = batch | {
    'nodes': np.where(no_node[..., None], np.nan, batch['nodes']),
    'edges': np.where(no_edge[..., None], np.nan, batch['edges']),
    'senders': np.where(no_edge, 77, batch['senders']),
    'receivers': np.where(no_edge, -3, batch['receivers']),
  }
  changed = jax.tree.map(lambda a, b: a.astype(b.dtype), changed, batch)
  gradient = jax.jit(jax.grad(lambda p, b: mean_loss(TINY, p, (), b, KEY)[0]))
  for one, other in (
    [_examine(TINY, model, b) for b in (batch, changed)],
    [gradient(model.params, b) for b in (batch, changed)],
  ):
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


def test_training_and_examination_see_the_same_graphs(model, batch):
  (logits, fits), state = _forward(TINY, model, batch, KEY, 0.0)
  assert fits.all()
  assert state == ()
  # The pools are of one size here, so not even the order of sums differs.
  assert np.array_equal(logits, _examine(TINY, model, batch)['logits'])


def test_graphs_that_do_not_fit_are_left_out_and_disturb_no_other(model, batch):
  small = dataclasses.replace(TINY, pool_nodes=2, pool_edges=8)  # 12 nodes.
  n_node = np.array([5, 1, 3, 4, 1, 2], np.int32)
  ends = {n: batch[n] % n_node[:, None] for n in ('senders', 'receivers')}
  batch = batch | ends | {'n_node': n_node}
  outputs, _ = _forward(small, model, batch, KEY, 0.0)
  logits, fits = outputs
  # 5 + 1 + 3 nodes leave 3 rows free. The fourth graph needs 4 and closes the
  # pool, as AlgoPerf's does, though there would be room for the fifth.
  assert fits.tolist() == [True, True, True, False, False, False]
  whole = _examine(small, model, batch)['logits']
  # Another size of the pool may change the order of sums.
  np.testing.assert_allclose(logits[:3], whole[:3], rtol=1e-4, atol=1e-5)
  losses, counts = small.losses(outputs, batch, 0.0)
  assert losses[3:].tolist() == counts[3:].tolist() == [0, 0, 0]
  assert counts[:3].tolist() == batch['labelled'][:3].sum(axis=1).tolist()


def test_edges_fill_a_pool_as_well(batch):
  fits = _pooled(batch, graphs.Size(30, 11)).fits
  assert fits.tolist() == [True, True, False, False, False, False]


def test_the_largest_graph_fits_into_the_pool_of_a_small_batch(model, batch):
  small = dataclasses.replace(TINY, pool_nodes=1, pool_edges=1)
  first = {name: rows[:1] for name, rows in batch.items()}  # 5 nodes, 8 edges.
  assert _forward(small, model, first, KEY, 0.0)[0][1].tolist() == [True]


def test_a_pool_by_hand():
  batch = {
    'nodes': jnp.array([[[1.0], [2], [9]], [[3], [9], [9]]]),
    'edges': jnp.array([[[4.0], [5]], [[6], [9]]]),
    'senders': jnp.array([[1, 0], [0, 9]]),
    'receivers': jnp.array([[0, 1], [0, 9]]),
    'n_node': jnp.array([2, 1]),
    'n_edge': jnp.array([2, 1]),
  }
  pool = _pooled(batch, graphs.Size(4, 5))
  assert pool.nodes[:, 0].tolist() == [1, 2, 3, 0]
  assert pool.edges[:, 0].tolist() == [4, 5, 6, 0, 0]
  assert pool.senders.tolist() == [1, 0, 2, 4, 4]
  assert pool.receivers.tolist() == [0, 1, 2, 4, 4]
  assert pool.graph_of_node.tolist() == [0, 0, 1, 2]
  assert pool.graph_of_edge.tolist() == [0, 0, 1, 2, 2]
  sums = graphs.total(pool.edges, pool.receivers, 4)
  assert sums[:, 0].tolist() == [4, 5, 6, 0]
  assert graphs.take(pool.nodes, pool.senders)[:, 0].tolist() == [2, 1, 3, 0, 0]


def test_dropout_acts_after_every_layer_but_the_last(model, batch):
  (logits, _), _ = _forward(TINY, model, batch, KEY, 1.0)
  alone = np.broadcast_to(model.params['head']['bias'], logits.shape)
  assert np.array_equal(logits, alone)
  one, same, other = (
    _forward(TINY, model, batch, jax.random.key(n), 0.3)[0][0]
    for n in (0, 0, 1)
  )
  assert np.array_equal(one, same)
  assert not np.array_equal(one, other)
  # One mask for each of the three perceptrons of a step.
  jaxpr = jax.make_jaxpr(lambda b: TINY.forward(model, b, KEY, 0.3))(batch)
  assert str(jaxpr).count('random_bits[') == 3


@pytest.mark.parametrize(
  ('quirks', 'middle'), [((), 1 / 2), (('smoothing_over_tasks',), 1 / 3)]
)
def test_loss_counts_known_labels_of_graphs_that_fit(quirks, middle):
  workload = dataclasses.replace(TINY, quirks=quirks)
  rng = np.random.default_rng(0)
  logits, labels = 3 * rng.standard_normal((4, 3)), rng.integers(0, 2, (4, 3))
  known, fits = rng.integers(0, 2, (4, 3)), np.array([1, 1, 0, 1], bool)
  batch = {
    'targets': jnp.asarray(labels, jnp.float32),
    'labelled': jnp.asarray(known, jnp.float32),
  }
  for s in (0.0, 0.1):
    y = labels * (1 - s) + s * middle
    terms = -y * special.log_expit(logits) - (1 - y) * special.log_expit(
      -logits
    )
    mask = known * fits[:, None]
    outputs = (jnp.asarray(logits, jnp.float32), jnp.asarray(fits))
    losses, counts = workload.losses(outputs, batch, s)
    np.testing.assert_allclose(losses, (terms * mask).sum(axis=1), rtol=1e-5)
    assert counts.tolist() == mask.sum(axis=1).tolist()


def test_metrics_are_means_over_known_labels(model, batch):
  stats = jax.tree.map(np.asarray, _examine(TINY, model, batch))
  known = np.asarray(batch['labelled'], bool)
  logits, labels = stats['logits'][known], np.asarray(batch['targets'])[known]
  sides = np.where(labels > 0, logits, -logits)
  metrics = TINY.summarize(stats)
  np.testing.assert_allclose(
    metrics['loss'], -special.log_expit(sides).mean(), rtol=1e-5
  )
  assert metrics['accuracy'] == np.mean((logits > 0) == labels)
  assert metrics['mean_average_precision'] == mean_average_precision(
    stats['logits'], np.asarray(batch['targets']), known
  )


@pytest.mark.parametrize('levels', [2, 5, 1000])  # Few: many scores are equal.
def test_average_precision_is_that_of_scikit_learn(levels):
  rng = np.random.default_rng(levels)
  scores = rng.integers(0, levels, (60, 12)) / 7
  targets = (rng.random((60, 12)) < 0.2).astype(np.float32)
  labelled = (rng.random((60, 12)) < 0.7).astype(np.float32)
  targets[:, 3], targets[:, 4], labelled[:, 5] = 0, 1, 0  # These do not count.
  expected = [
    float(average_precision_score(targets[known, k], scores[known, k]))
    for k, known in enumerate(labelled.T > 0)
    if k not in (3, 4, 5)
  ]
  np.testing.assert_allclose(
    mean_average_precision(scores, targets, labelled),
    np.mean(expected),
    rtol=1e-12,  # Both in float64.
  )


def test_average_precision_by_hand():
  # Positive, negative, positive: precision 1 at the first, 2/3 at the third.
  scores = np.array([[3.0], [2], [1], [9]])
  targets = np.array([[1.0], [0], [1], [0]])
  labelled = np.array([[1.0], [1], [1], [0]])
  found = mean_average_precision(scores, targets, labelled)
  np.testing.assert_allclose(found, (1 + 2 / 3) / 2)


def test_average_precision_of_nothing_is_not_a_number():
  one = np.ones((4, 2))
  assert np.isnan(mean_average_precision(one, one, one))
  assert np.isnan(mean_average_precision(one * np.nan, np.eye(4, 2), one))


def test_molecules_are_chemistry():
  rows = synthetic.source('validation').rows
  count = len(rows['n_node'])
  there = np.arange(synthetic.ATOMS)[None] < rows['n_node'][:, None]
  code, _, degree, _, hydrogens, _, _, aromatic, ring = np.moveaxis(
    rows['nodes'], -1, 0
  )
  assert not rows['nodes'][~there].any()
  valence = np.select([code == c for c in synthetic.CODES], synthetic.VALENCES)
  # Bonds count 1, 2 or, in aromatic rings, 1.5 times.
  order = np.zeros((count, synthetic.ATOMS))
  bonds = np.zeros((count, synthetic.ATOMS))
  is_edge = np.arange(synthetic.EDGES)[None] < rows['n_edge'][:, None]
  graph, row = np.nonzero(is_edge)
  sender, receiver = rows['senders'][graph, row], rows['receivers'][graph, row]
  kind = rows['edges'][graph, row, 0].astype(int)
  np.add.at(order, (graph, sender), np.array([1, 2, 3, 1.5])[kind])
  np.add.at(bonds, (graph, sender), 1)
  assert np.array_equal(bonds, degree)
  # An aromatic oxygen or sulfur gives a pair of electrons, not its valences.
  giving = (aromatic > 0) & np.isin(code, [7, 15])
  assert (order + hydrogens == valence)[there & ~giving].all()
  assert (there[graph, sender] & there[graph, receiver]).all()
  assert (bonds[there] > 0).all()
  assert (ring >= aromatic).all()
  assert 0.6 < (code[there] == 5).mean() < 0.8  # Molecules are mostly carbon.


def test_bonds_go_both_ways():
  rows = synthetic.source('test').rows
  assert np.array_equal(rows['senders'][:, ::2], rows['receivers'][:, 1::2])
  assert np.array_equal(rows['senders'][:, 1::2], rows['receivers'][:, ::2])
  assert np.array_equal(rows['edges'][:, ::2], rows['edges'][:, 1::2])


def test_assays_are_rare_and_partly_unknown():
  for split in synthetic.EXAMPLES:
    rows = synthetic.source(split).rows
    known = rows['labelled'].sum(axis=0)
    assert (rows['targets'] <= rows['labelled']).all()
    shares = rows['targets'].sum(axis=0) / known
    assert (shares > 0.04).all()
    assert (shares < 0.28).all()
    # Four standard errors of a share of 1,024 are less than 0.06.
    missing = 1 - known / len(rows['labelled'])
    np.testing.assert_allclose(missing, synthetic.MISSING, atol=0.06)


def test_an_assay_asks_for_groups_at_a_distance():
  """The amides of 'amine and carbonyl, two bonds apart', found by hand."""
  rows = synthetic.source('test').rows
  task = synthetic.ASSAYS.index(('amine', 'carbonyl', 2))
  for n in range(200):
    code, sp, ring = rows['nodes'][n][:, [0, 6, 8]].T
    near = {i: set() for i in range(synthetic.ATOMS)}
    for e in range(rows['n_edge'][n]):
      near[rows['senders'][n, e]].add(rows['receivers'][n, e])
    amide = any(
      code[i] == 6
      and sp[i] == 2  # Nitrogen, sp3,
      and code[k] == 7
      and sp[k] == 1
      and not ring[k]  # and oxygen, sp2.
      for i in near
      for j in near[i]
      for k in near[j] - near[i] - {i}
    )
    assert rows['targets'][n, task] == amide * rows['labelled'][n, task]
