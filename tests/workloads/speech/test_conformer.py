"""The Conformer, its parts against plain numpy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import workloads
from workloads.data import DataError
from workloads.speech import librispeech_conformer, mel, synthetic

TINY = {
  'vocab': 43,
  'channels': 4,
  'width': 16,
  'hidden': 16,
  'blocks': 1,
  'heads': 2,
  'samples': synthetic.SAMPLES,
  'length': synthetic.LENGTH,
  'data': 'utterances',
}


def _tiny(name: str = 'librispeech_conformer', **fields):
  return dataclasses.replace(workloads.get(name), **{**TINY, **fields})


def test_positions_are_those_of_algoperf():
  table = librispeech_conformer.positions(500, 512)
  np.testing.assert_allclose(
    table[3, [0, 1, 255, 256, 257, 511]],
    [0.14112, 0.245481, 0.0003, -0.989992, -0.969401, 1.0],
    atol=1e-6,
  )


@pytest.mark.parametrize('temperature', [1.0, 1.6])
def test_attention(temperature):
  layer = librispeech_conformer.Attention(2, temperature)
  rng = np.random.default_rng(0)
  x = rng.standard_normal((1, 6, 8))
  inputs = jnp.asarray(x, jnp.float32)
  paddings = jnp.zeros((1, 6)).at[0, 4:].set(1)
  params = layer.init(jax.random.key(0), inputs, paddings)['params']
  assert not params['query_scale'].any()
  p = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape), params)
  as_jax = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), p)
  ours = layer.apply({'params': as_jax}, inputs, paddings)
  query, key, value = (
    np.einsum('bsd,dhe->bshe', x[:, :4], p[n]['kernel']) + p[n]['bias']
    for n in ('query', 'key', 'value')
  )
  query = query * 1.442695041 * np.log1p(np.exp(p['query_scale'])) / 4**0.5
  chances = special.softmax(np.einsum('bqhe,bkhe->bhqk', query, key), axis=-1)
  mixed = temperature * np.einsum('bhqk,bkhe->bqhe', chances, value)
  expected = np.einsum('bqhe,hed->bqd', mixed, p['out']['kernel'])
  expected += p['out']['bias']
  np.testing.assert_allclose(ours[:, :4], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('activation', ['swish', 'gelu'])
def test_the_convolution_of_a_block(activation):
  layer = librispeech_conformer.Convolution(5, activation, 0.9)
  rng = np.random.default_rng(0)
  x = rng.standard_normal((1, 7, 4))
  inputs = jnp.asarray(x, jnp.float32)
  paddings = jnp.zeros((1, 7)).at[0, 5:].set(1)
  variables = layer.init(jax.random.key(0), inputs, paddings, train=False)
  ours = layer.apply(variables, inputs, paddings, train=False)
  p = jax.tree.map(np.asarray, variables['params'])
  gate = special.expit(x @ p['DenseGeneral_1']['kernel'])
  h = np.pad(
    (x @ p['DenseGeneral_0']['kernel'] * gate)[0, :5], ((2, 4), (0, 0))
  )
  kernel = p['Conv_0']['kernel'][:, 0]  # [5, D]
  h = np.stack([(h[t : t + 5] * kernel).sum(axis=0) for t in range(7)])
  h[5:] = 0
  h /= (1 + 0.001) ** 0.5  # Batch norm of no mean and variance one.
  if activation == 'swish':
    h *= special.expit(h)
  else:  # By a hyperbolic tangent, as published.
    h *= 0.5 * (1 + np.tanh((2 / np.pi) ** 0.5 * (h + 0.044715 * h**3)))
  expected = h @ p['DenseGeneral_2']['kernel']
  np.testing.assert_allclose(ours[0], expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope='module')
def trained():
  """A tiny workload, its model at random numbers, and a batch."""
  workload = _tiny(time_masks=0, frequency_masks=0)
  model = jax.jit(workload.init)(jax.random.key(0))
  return workload, model, workload.fake_batch(jax.random.key(1), 3)


@pytest.fixture(scope='module')
def eval_stats(trained):
  return jax.jit(trained[0].eval_stats)


def test_padding_is_never_heard(trained, eval_stats):
  _, model, batch = trained
  loud = batch['inputs'] + 1e3 * batch['input_paddings']
  one, other = (
    eval_stats(model, {**batch, 'inputs': inputs})
    for inputs in (batch['inputs'], loud)
  )
  assert one['ctc_loss'].tolist() == other['ctc_loss'].tolist()
  assert one['hypothesis'].tolist() == other['hypothesis'].tolist()


def test_statistics_say_what_was_said(trained, eval_stats):
  _, model, batch = trained
  stats = eval_stats(model, batch)
  assert stats['reference'].tolist() == batch['targets'].tolist()
  assert np.isfinite(stats['ctc_loss']).all()
  frames = -(-mel.count_frames(synthetic.SAMPLES) // 4)
  assert stats['hypothesis'].shape == (3, frames)
  counts = (batch['targets'] > 0).sum(axis=1)
  assert stats['tokens'].tolist() == counts.tolist()


def test_every_branch_and_the_input_are_dropped(trained):
  """All dropped, only the norms and the head's bias are left."""
  workload, model, batch = trained
  bias = jnp.arange(43.0)
  params = {
    **model.params,
    'head': {**model.params['head'], 'bias': bias},
  }
  (logits, _), _ = jax.jit(workload.forward, static_argnums=3)(
    model._replace(params=params), batch, jax.random.key(0), 1.0
  )
  # The norm of a zero is zero.
  assert np.array_equal(logits, np.broadcast_to(bias, logits.shape))


def test_a_feed_forward_drops_between_its_layers():
  layer = librispeech_conformer.FeedForward(8, 'swish')
  x, paddings = jnp.ones((1, 2, 4)), jnp.zeros((1, 2))
  params = layer.init(jax.random.key(0), x, paddings, lambda h: h)
  y = layer.apply(params, x, paddings, lambda h: 0 * h)
  assert not y.any()
  assert layer.apply(params, x, paddings, lambda h: h).any()


def test_training_hides_and_remembers_and_evaluation_does_not(trained):
  _, model, batch = trained
  workload = _tiny()  # With the published masks.
  forward = jax.jit(workload.forward, static_argnums=3)
  one, state = forward(model, batch, jax.random.key(0), 0.0)
  other, _ = forward(model, batch, jax.random.key(1), 0.0)
  assert not np.array_equal(one[0], other[0])
  moved = jax.tree.map(np.array_equal, state, model.state)
  assert not any(jax.tree.leaves(moved))


def test_label_smoothing_is_ignored():
  workload = _tiny()
  outputs = (jnp.sin(jnp.arange(48.0)).reshape(2, 6, 4), jnp.zeros((2, 6)))
  batch = {
    'targets': jnp.array([[1], [3]]),
    'target_paddings': jnp.zeros((2, 1)),
  }
  one, other = (workload.losses(outputs, batch, s)[0] for s in (0.0, 0.3))
  assert one.tolist() == other.tolist()


def test_metrics_need_the_pieces_of_words():
  stats = {
    'ctc_loss': np.array([6.0]),
    'tokens': np.array([3.0]),
    'hypothesis': np.array([[3, 0]]),
    'reference': np.array([[3, 0]]),
  }
  assert _tiny().summarize(stats) == {'wer': 0.0, 'ctc_loss': 2.0}
  with pytest.raises(DataError, match=r'use workload.with_text\(data_dir\)'):
    workloads.get('librispeech_conformer').summarize(stats)


def test_the_word_error_rate_can_be_that_of_algoperf():
  workload = workloads.get('librispeech_conformer/mini', ['wer_repr'])
  stats = {
    'ctc_loss': np.array([6.0]),
    'tokens': np.array([3.0]),
    'hypothesis': np.array([[3, 0]]),
    'reference': np.array([[4, 0]]),
  }
  assert workload.summarize(stats)['wer'] == pytest.approx(1 / 3)
