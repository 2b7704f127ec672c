"""The figures of single workloads, against independent values.

Published sizes and their initial statistics against a record of AlgoPerf's
own (../shared/data/param_shapes, skipped where it is not there), and every
piece of a model that is easily got wrong against plain numpy.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import workloads
from workloads.clicks import criteo1tb, synthetic
from workloads.text import finewebedu_lm, synthetic_text


def _shapes(name: str):
  return jax.eval_shape(workloads.get(name).init, jax.random.key(0)).params


@pytest.mark.parametrize(
  ('name', 'scale'), [('criteo1tb', 1 / 2048), ('criteo1tb/embed_init', 1.0)]
)
def test_the_table_starts_uniform_above_zero(name, scale):
  workload = dataclasses.replace(workloads.get(name), vocab=4096)
  table = workload.init(jax.random.key(0)).params['embedding'] / scale
  assert 0 <= table.min() < 1e-4
  assert 1 - 1e-4 < table.max() < 1
  # Five standard errors of the mean of 4096 * 128 uniform numbers.
  np.testing.assert_allclose(
    table.mean(), 0.5, atol=5 * (12 * 4096 * 128) ** -0.5
  )


def test_the_last_bias_of_criteo_is_a_standard_normal_number():
  init = jax.jit(workloads.get('criteo1tb/mini').init)
  biases = [
    init(jax.random.key(n)).params['head']['bias'][0] for n in range(40)
  ]
  # Four standard errors of the standard deviation of 40 normal numbers.
  np.testing.assert_allclose(np.std(biases), 1, atol=4 * 80**-0.5)


def test_interactions_are_products_of_pairs_and_squares():
  features = jnp.arange(6.0).reshape(1, 3, 2)
  assert criteo1tb.interactions(features).tolist() == [[1, 3, 5, 13, 23, 41]]


@pytest.mark.parametrize('residual', [False, True])
def test_dropout_of_criteo_acts_on_the_last_hidden_layer(residual):
  workload = criteo1tb.Criteo1TB(
    vocab=64, embed_dim=8, bottom=(8, 8), top=(8, 8), residual=residual
  )
  model = workload.init(jax.random.key(0))
  batch = workload.fake_batch(jax.random.key(1), 4)
  logits, _ = workload.forward(model, batch, jax.random.key(2), 1.0)
  alone = jnp.broadcast_to(model.params['head']['bias'], (4,))
  # Of a residual network it drops the last branch only.
  assert np.allclose(logits, alone) is not residual


def test_loss_of_criteo():
  workload = workloads.get('criteo1tb/mini')
  logits, labels = np.array([-30.0, -1, 0, 2]), np.array([1.0, 0, 1, 1])
  right = np.where(labels > 0, special.expit(logits), special.expit(-logits))
  batch = {'targets': jnp.asarray(labels, jnp.float32)}
  for smoothing in (0.0, 0.2):  # Ignored, as published.
    losses, counts = workload.losses(
      jnp.asarray(logits, jnp.float32), batch, smoothing
    )
    np.testing.assert_allclose(losses, -np.log(right), rtol=1e-6)
    assert counts.tolist() == [1, 1, 1, 1]


def test_ids_share_rows_modulo_the_table():
  workload = workloads.get('criteo1tb/mini')
  model = workload.init(jax.random.key(0))
  batch = workload.fake_batch(jax.random.key(1), 4)
  beyond = batch['inputs'].at[:, 13:].add(workload.vocab)
  stats = [
    workload.eval_stats(model, {**batch, 'inputs': inputs})['loss']
    for inputs in (batch['inputs'], beyond)
  ]
  assert stats[0].tolist() == stats[1].tolist()


def _turned(x):  # [B, S, H, E]
  """Rotary positions by complex numbers, in float64."""
  length, channels = x.shape[1], x.shape[3]
  speeds = 500_000.0 ** -(np.arange(0, channels, 2) / channels)
  turns = np.exp(1j * np.arange(length)[:, None] * speeds)[None, :, None]
  numbers = (x[..., 0::2] + 1j * x[..., 1::2]) * turns
  return np.stack([numbers.real, numbers.imag], axis=-1).reshape(x.shape)


def test_rotary_positions():
  x = np.random.default_rng(0).standard_normal((2, 40, 3, 8))
  ours = finewebedu_lm.rotate(jnp.asarray(x, jnp.float32))
  expected = _turned(x)
  # Evens first, then odds; see rotate.
  expected = np.concatenate([expected[..., 0::2], expected[..., 1::2]], axis=-1)
  np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_attention():
  layer = finewebedu_lm.Attention(2, layers=3, init_std=0.1, dtype='float32')
  x = np.random.default_rng(0).standard_normal((2, 10, 16))
  inputs = jnp.asarray(x, jnp.float32)
  params = layer.init(jax.random.key(0), inputs)['params']
  ours = layer.apply({'params': params}, inputs)
  p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
  query, key, value = (
    np.einsum('bsd,dhe->bshe', x, p[n]['kernel'])
    for n in ('query', 'key', 'value')
  )
  query, key = (
    v / (np.linalg.norm(v, axis=-1, keepdims=True) + 1e-6)
    for v in (_turned(query), _turned(key))
  )
  scores = np.log2(10**2 - 10) * np.einsum('bqhe,bkhe->bhqk', query, key)
  scores[..., ~np.tri(10, dtype=bool)] = -np.inf
  mixed = np.einsum('bhqk,bkhe->bqhe', special.softmax(scores, -1), value)
  expected = np.einsum('bqhe,hed->bqd', mixed, p['out']['kernel'])
  np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-6)


def test_a_gated_mlp():
  layer = finewebedu_lm.GatedMLP(layers=3, init_std=0.1, dtype='float32')
  x = np.random.default_rng(0).standard_normal((1, 5, 16))
  inputs = jnp.asarray(x, jnp.float32)
  params = layer.init(jax.random.key(0), inputs)['params']
  p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
  value, gate = np.split(x @ p['in']['kernel'], 2, axis=-1)
  expected = (value * special.expit(gate)) @ p['out']['kernel']
  ours = layer.apply({'params': params}, inputs)
  np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-7)


def _logits(workload, model, tokens):
  batch = {'inputs': jnp.asarray(tokens)}
  return workload.forward(model, batch, jax.random.key(0), 0.0)[0]


def test_no_logit_sees_a_later_token():
  workload = workloads.get('finewebedu_lm/mini')
  model = workload.init(jax.random.key(0))
  tokens = np.arange(96)[None] % 7
  changed = tokens.copy()
  changed[:, 60] = 100
  one, other = (_logits(workload, model, t) for t in (tokens, changed))
  assert np.array_equal(one[:, :60], other[:, :60])
  assert not np.array_equal(one[:, 60:], other[:, 60:])


def test_the_lengths_of_queries_and_keys_do_not_matter():
  workload = workloads.get('finewebedu_lm/mini')
  model = workload.init(jax.random.key(0))

  def longer(path, leaf):
    return 16 * leaf if {'query', 'key'} & {k.key for k in path} else leaf

  params = jax.tree_util.tree_map_with_path(longer, model.params)
  tokens = np.arange(96)[None] % 7
  one = _logits(workload, model, tokens)
  other = _logits(workload, model._replace(params=params), tokens)
  # The epsilon of 1e-6 beside lengths near 0.1 is all that is left.
  np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_initial_values_of_the_language_model():
  shapes = _shapes('finewebedu_lm')['Attention_11']
  assert shapes['attn_scale'].dtype == jnp.bfloat16
  small = finewebedu_lm.FineWebEduLM(vocab=2000, width=256, layers=2, heads=2)
  params = jax.jit(small.init)(jax.random.key(0)).params
  assert params['Attention_0']['attn_scale'] == 20  # 19.9986 in bfloat16.
  expected = {
    'embedding/embedding': 0.02,
    'Attention_1/query/kernel': 0.02,
    'Attention_1/out/kernel': 0.01,  # 0.02 / sqrt(2 * layers).
    'GatedMLP_0/in/kernel': 0.02,
    'GatedMLP_0/out/kernel': 0.01,
  }
  for path, std in expected.items():
    leaf = params
    for name in path.split('/'):
      leaf = leaf[name]
    # Five standard errors of the standard deviation of 2**16 normal numbers.
    np.testing.assert_allclose(leaf.std(), std, rtol=0.015, err_msg=path)


@pytest.mark.parametrize('smoothing', [0.0, 0.1])
def test_loss_and_perplexity_of_the_language_model(smoothing):
  workload = workloads.get('finewebedu_lm/mini')
  rng = np.random.default_rng(0)
  logits = rng.standard_normal((3, 4, 10))
  targets = rng.integers(0, 10, (3, 4))
  wanted = (1 - smoothing) * np.eye(10)[targets] + smoothing / 10
  terms = -(wanted * special.log_softmax(logits, axis=-1)).sum(axis=-1)
  losses, counts = workload.losses(
    jnp.asarray(logits, jnp.float32), {'targets': targets}, smoothing
  )
  np.testing.assert_allclose(losses, terms.sum(axis=1), rtol=1e-5)
  assert counts.tolist() == [4, 4, 4]
  stats = {'loss': np.asarray(losses), 'tokens': np.array([4, 4, 4.0])}
  metrics = workload.summarize(stats)
  np.testing.assert_allclose(metrics['loss'], terms.mean(), rtol=1e-6)
  np.testing.assert_allclose(metrics['ppl'], np.exp(terms.mean()), rtol=1e-6)


def test_a_diverged_perplexity_is_infinite():
  workload = workloads.get('finewebedu_lm/mini')
  stats = {'loss': np.array([1e6], np.float32), 'tokens': np.array([4.0])}
  assert workload.summarize(stats) == {'loss': 250_000.0, 'ppl': np.inf}


def test_generated_clicks():
  source = synthetic.source('validation')
  dense, ids = np.split(source.rows['inputs'], [13], axis=1)
  ends = np.cumsum(synthetic.CARDINALITIES)
  assert (dense >= 0).all()
  assert ((ids >= ends - synthetic.CARDINALITIES) & (ids < ends)).all()
  assert 0.2 < source.rows['targets'].mean() < 0.35
  _, counts = np.unique(ids[:, 0], return_counts=True)
  assert counts.max() > len(source) / 20  # A power law has a head
  assert np.median(counts) < len(source) / 5000  # and a long tail.


def test_generated_text_agrees():
  """A verb has the number of the pronoun before it."""
  text = synthetic_text.source('validation', 96).rows['inputs'].ravel()
  forms = text - synthetic_text.VERB
  is_verb = (forms >= 0) & (forms < 2 * synthetic_text.VERBS)
  plural = text[:-1] == synthetic_text.THEY
  after = (plural | (text[:-1] == synthetic_text.IT)) & is_verb[1:]
  assert after.sum() > 100
  assert (forms[1:][after] % 2 == plural[after]).all()
  assert text.min() == synthetic_text.END
  assert text.max() < synthetic_text.VOCAB


@pytest.mark.parametrize(
  ('name', 'close'),
  [('digits/sil', 'digits/silu'), ('criteo1tb/min', 'criteo1tb/mini')],
)
def test_unknown_names_are_explained(name, close):
  with pytest.raises(ValueError, match=f"Did you mean '{close}'"):
    workloads.get(name)
