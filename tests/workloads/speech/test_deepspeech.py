"""DeepSpeech, its parts against plain numpy."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import workloads
from tests.support.tiny import tiny
from workloads.data import DataError
from workloads.roles import roles
from workloads.speech import librispeech_deepspeech as deepspeech
from workloads.workload import Model

PUBLISHED = [
  'librispeech_deepspeech',
  'librispeech_deepspeech/tanh',
  'librispeech_deepspeech/no_resnet',
  'librispeech_deepspeech/norm_and_spec_aug',
]
SIZE, BANDS = 3, 80


@functools.cache
def _shapes(name: str) -> Model:
  return jax.eval_shape(workloads.get(name).init, jax.random.key(0))


@pytest.mark.parametrize('name', PUBLISHED)
def test_only_batch_norm_has_a_state(name):
  state = jax.tree.leaves(_shapes(name).state)
  # Mean and variance of six recurrent and three feed-forward layers.
  norms = 0 if name.endswith('norm_and_spec_aug') else 9
  assert [leaf.shape for leaf in state] == 2 * norms * [(512,)]


def _net(**fields):
  return dataclasses.replace(tiny('librispeech_deepspeech'), **fields)._net


@functools.cache
def _variables():
  """The parameters are of the same shapes, whatever a test turns."""
  x, paddings = _features()
  init = functools.partial(_net().init, train=False, dropout=0.0)
  return jax.jit(init)(jax.random.key(0), x, paddings)


def _features():
  """Features of three utterances of 24, 17 and 9 frames."""
  rng = np.random.default_rng(1)
  x = rng.standard_normal((SIZE, 24, BANDS)).astype(np.float32)
  sizes = np.array([24, 17, 9])
  return x, (np.arange(24)[None] >= sizes[:, None]).astype(np.float32)


def _outputs(dropout: float, key: int = 0, **fields):
  """Logits [B, T/4, V] in training."""
  return np.asarray(
    _training(dropout, **fields)(_variables(), jax.random.key(key))
  )


@functools.cache
def _training(dropout: float, **fields):
  x, paddings = _features()

  def logits(variables, key):
    outputs, _ = _net(**fields).apply(
      variables,
      x,
      paddings,
      train=True,
      dropout=dropout,
      rngs={'dropout': key},
      mutable=['batch_stats'],
    )
    return outputs[0]

  return jax.jit(logits)


def _lstm(x, params, gates):  # [T, D]
  """One direction of one utterance in float64: [T, H]."""
  width = len(params['bias_0'])
  cell, output, outputs = np.zeros(width), np.zeros(width), []
  for frame in x:
    i, f, g, o = (
      frame @ params[f'input_{n}']
      + output @ params[f'recurrent_{n}']
      + params[f'bias_{n}']
      for n in gates
    )
    cell = special.expit(f) * cell + special.expit(i) * np.tanh(g)
    output = special.expit(o) * np.tanh(cell)
    outputs.append(output)
  return np.array(outputs)


def test_an_lstm_reads_every_utterance_in_both_directions():
  layer = deepspeech.BidirectionalLSTM(4)
  rng = np.random.default_rng(0)
  x = rng.standard_normal((2, 7, 5))
  sizes = (7, 4)
  paddings = (np.arange(7)[None] >= np.array(sizes)[:, None]).astype(np.float32)
  inputs = jnp.asarray(x, jnp.float32)
  shapes = jax.eval_shape(layer.init, jax.random.key(0), inputs, paddings)
  params = {  # Biases start at zero, which would hide them.
    name: rng.standard_normal(leaf.shape).astype(np.float32)
    for name, leaf in shapes['params'].items()
  }
  ours = jax.jit(layer.apply)({'params': params}, inputs, paddings)
  exact = {name: leaf.astype(np.float64) for name, leaf in params.items()}
  for row, utterance, size in zip(ours, x, sizes, strict=True):
    forwards = _lstm(utterance[:size], exact, range(4))
    backwards = _lstm(utterance[:size][::-1], exact, range(4, 8))[::-1]
    # Seven steps of float32 arithmetic on numbers of order one.
    np.testing.assert_allclose(row[:size, :4], forwards, atol=2e-5)
    np.testing.assert_allclose(row[:size, 4:], backwards, atol=2e-5)


def test_what_is_flipped_keeps_its_padding_behind():
  x = jnp.arange(5.0)[None, :, None]
  assert deepspeech.flip(x, jnp.array([3]))[0, :, 0].tolist() == [2, 1, 0, 4, 3]


def test_frames_of_padding_change_nothing():
  net, variables = _net(), _variables()
  x, paddings = _features()
  apply = jax.jit(
    lambda x: net.apply(variables, x, paddings, train=False, dropout=0.0)
  )
  # Convolutions see three frames: of padding, those that a real one sees.
  beyond = np.arange(24)[None] >= np.array([24, 20, 12])[:, None]
  changed = np.where(beyond[..., None], 9.0, x).astype(np.float32)
  (one, after), (other, _) = apply(x), apply(changed)
  real = np.asarray(after) == 0
  assert real.sum(axis=1).tolist() == [6, 5, 3]  # Quarters, rounded up.
  # Sums may be taken in another order: rounding errors of float32.
  np.testing.assert_allclose(one[real], other[real], atol=1e-5)


def test_dropout_of_the_last_layer_leaves_nothing_without_residuals():
  logits = _outputs(1.0, residual=False)
  # Frames are all alike: a constant through layer norm and the head.
  np.testing.assert_array_equal(
    logits, np.broadcast_to(logits[:1, :1], logits.shape)
  )


@pytest.mark.parametrize(
  ('fields', 'random'),
  [
    ({}, False),
    ({'quirks': ('fixed_dropout',)}, True),
    # Without residual layers AlgoPerf's too follow the rate asked for.
    ({'quirks': ('fixed_dropout',), 'residual': False}, False),
  ],
)
def test_only_the_quirk_drops_at_a_rate_nobody_asked_for(fields, random):
  one, other = (_outputs(0.0, key, **fields) for key in (0, 1))
  assert np.array_equal(one, other) is not random


def test_dropout_depends_on_the_key():
  one, other = (_outputs(0.3, key) for key in (0, 1))
  assert not np.array_equal(one, other)


def test_what_variants_change():
  base = _outputs(0.0)
  for fields in ({'activation': 'tanh'}, {'residual': False}):
    assert not np.allclose(base, _outputs(0.0, **fields))
  published = workloads.get('librispeech_deepspeech/norm_and_spec_aug')
  assert published == deepspeech.LibriSpeechDeepSpeech(
    layer_norm=True, time_masks=15, frequency_masks=4
  )


@pytest.mark.parametrize('name', PUBLISHED)
def test_the_head_is_the_only_output_layer(name):
  labels = jax.tree.leaves(roles(_shapes(name).params))
  assert labels.count('head') == 1
  assert 'embedding' not in labels


def test_missing_data_are_explained(tmp_path):
  workload = workloads.get('librispeech_deepspeech')
  for ask in (workload.with_text, lambda at: workload.source('train', at)):
    with pytest.raises(DataError, match='prepare --workload=librispeech_deeps'):
      ask(str(tmp_path))


def test_unknown_quirks_are_explained():
  with pytest.raises(ValueError, match='fixed_dropout'):
    workloads.get('librispeech_deepspeech', ['loud'])
