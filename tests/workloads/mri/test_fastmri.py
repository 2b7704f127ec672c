"""The figures of fastMRI, against independent values.

Published sizes and initial values against a record of AlgoPerf's own
(../shared/data/param_shapes, skipped where it is not there); blocks, transforms
and similarity against plain numpy.
"""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from workloads.mri import fastmri, kspace, synthetic
from workloads.mri.fastmri import FastMRI
from workloads.mri.ssim import ssim

SMALL = {'channels': 4, 'levels': 1, 'size': 8}


def _random(rng: np.random.Generator, *shape: int) -> np.ndarray:
  return rng.standard_normal(shape, np.float32)


@pytest.fixture(scope='module')
def small():
  """One level, 8x8 pixels: a workload, a model and a batch of two.

  All from numpy, as initial values take jax long to compile.
  """
  workload, rng = FastMRI(**SMALL), np.random.default_rng(0)
  shapes = jax.eval_shape(workload.init, jax.random.key(0))
  model = jax.tree.map(lambda leaf: _random(rng, *leaf.shape), shapes)
  batch = {
    'inputs': _random(rng, 2, 8, 8),
    'targets': _random(rng, 2, 8, 8),
    'mean': np.float32([0.1, 3]),
    'std': np.float32([0.2, 5]),
    'volume_max': np.float32([0.7, 0]),
  }
  return workload, model, batch


def test_sizes_of_the_published_batch():
  workload = workloads.get('fastmri')
  batch = jax.eval_shape(
    lambda key: workload.fake_batch(key, 2), jax.random.key(0)
  )
  assert batch['inputs'].shape == batch['targets'].shape == (2, 320, 320)


def _convolved(x, kernel):  # [B, H, W, C], [3, 3, C, D]
  height, width = x.shape[1:3]
  padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  return sum(
    padded[:, i : i + height, j : j + width] @ kernel[i, j]
    for i in range(3)
    for j in range(3)
  )


def _instance_normalized(x):
  variance = x.var(axis=(1, 2), keepdims=True)
  return (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(variance + 1e-5)


def _layer_normalized(x):
  """One mean and variance for all pixels and channels of an example."""
  axes = (1, 2, 3)
  variance = x.var(axis=axes, keepdims=True)
  return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(variance + 1e-6)


def _block_params(rng, channels: int, width: int, layer_norm: bool):
  params = {
    'Conv_0': {'kernel': _random(rng, 3, 3, channels, width)},
    'Conv_1': {'kernel': _random(rng, 3, 3, width, width)},
  }
  if layer_norm:
    for n in range(2):
      scale, bias = _random(rng, 2, width)
      params[f'LayerNorm_{n}'] = {'scale': scale, 'bias': bias}
  return params


@pytest.mark.parametrize('layer_norm', [False, True])
def test_a_block(layer_norm):
  block = fastmri.ConvBlock(3, 'leaky_relu', layer_norm)
  rng = np.random.default_rng(0)
  x, params = _random(rng, 2, 6, 5, 2), _block_params(rng, 2, 3, layer_norm)
  ours = jax.jit(
    lambda: block.apply({'params': params}, x, train=False, dropout=0.0)
  )()
  for n in range(2):
    x = _convolved(x.astype(np.float64), params[f'Conv_{n}']['kernel'])
    if layer_norm:
      norm = params[f'LayerNorm_{n}']
      x = _layer_normalized(x) * norm['scale'] + norm['bias']
    else:
      x = _instance_normalized(x)
    x = np.where(x > 0, x, 0.2 * x)
  np.testing.assert_allclose(ours, x, atol=2e-5)  # Float32, values near 1.


def test_a_transposed_block():
  block = fastmri.TransposeConvBlock(3, 'tanh')
  rng = np.random.default_rng(0)
  x, kernel = _random(rng, 2, 3, 2, 4), _random(rng, 2, 2, 4, 3)
  params = {'ConvTranspose_0': {'kernel': kernel}}
  ours = jax.jit(lambda: block.apply({'params': params}, x))()
  # Every pixel becomes 2x2 of its own. In flax, the last row and column of a
  # kernel make the first of those.
  wide = np.einsum('bhwc,ijcd->bhiwjd', x, kernel[::-1, ::-1])
  expected = np.tanh(_instance_normalized(wide.reshape(2, 6, 4, 3)))
  np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_odd_images_keep_their_size():
  workload, key = (
    FastMRI(**SMALL | {'levels': 2, 'size': 11}),
    jax.random.key(0),
  )
  batch = jax.eval_shape(lambda key: workload.fake_batch(key, 1), key)
  model = jax.eval_shape(workload.init, key)
  stats = jax.eval_shape(workload.eval_stats, model, batch)
  assert stats['ssim'].shape == (1,)


def test_what_halving_lost_is_reflected():
  x = jnp.arange(6.0).reshape(1, 2, 3, 1)
  padded = fastmri._like(jnp.zeros((1, 3, 4, 1)), x)[0, ..., 0]
  assert padded.tolist() == [[0, 1, 2, 1], [3, 4, 5, 4], [0, 1, 2, 1]]


def test_dropout_drops_whole_channels_after_both_activations():
  block = fastmri.ConvBlock(64, 'leaky_relu', layer_norm=False)
  rng = np.random.default_rng(0)
  x, params = _random(rng, 2, 6, 6, 8), _block_params(rng, 8, 64, False)

  def outputs(dropout, train=True):
    return jax.jit(
      lambda key: block.apply(
        {'params': params},
        x,
        train=train,
        dropout=dropout,
        rngs={'dropout': key},
      )
    )(jax.random.key(2))

  kept = np.asarray(outputs(0.5, train=False))
  some = np.asarray(outputs(0.5))
  # Compiled apart, so rounded apart.
  np.testing.assert_allclose(outputs(0.0), kept, atol=1e-4)
  dropped = (some == 0).mean(axis=(1, 2))  # [2, 64]
  assert set(np.unique(dropped)) == {0, 1}
  # Of 128 fair coins, five standard deviations about the half.
  assert abs(dropped.mean() - 0.5) < 5 * 0.5 / 128**0.5
  assert not np.array_equal(dropped[0], dropped[1])
  # Channels that stay show that the first layer lost some: not only a scale.
  stay = dropped[0] == 0
  assert np.abs(some[0, ..., stay] - 2 * kept[0, ..., stay]).max() > 0.1


@pytest.mark.parametrize('ignored', [False, True])
def test_dropout_of_the_network_and_the_quirk_that_ignores_it(small, ignored):
  workload, model, batch = small
  quirks = ('no_dropout',) if ignored else ()
  workload = dataclasses.replace(workload, quirks=quirks)
  all_dropped, kept = (
    jax.jit(workload.forward, static_argnums=3)(
      model, batch, jax.random.key(2), dropout
    )[0]
    for dropout in (1.0, 0.0)
  )
  bias = jnp.broadcast_to(model.params['head']['bias'][:, None], (2, 8, 8))
  assert np.allclose(all_dropped, bias) is not ignored
  assert np.array_equal(all_dropped, kept) is ignored


def test_the_loss_is_the_mean_distance_of_pixels(small):
  workload, _, batch = small
  images = np.random.default_rng(0).standard_normal((2, 8, 8))
  expected = np.abs(images - np.asarray(batch['targets'])).mean(axis=(1, 2))
  for smoothing in (0.0, 0.2):  # Ignored, as published.
    losses, counts = workload.losses(
      jnp.asarray(images, jnp.float32), batch, smoothing
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    assert counts.tolist() == [1, 1]


def _waves():
  i, j = np.mgrid[:320, :320]
  one = np.sin(0.1 * i) + np.cos(0.07 * j)
  return one, one + 0.1 * np.sin(0.5 * i + 0.3 * j)


@pytest.mark.parametrize(
  ('mean', 'std', 'volume_max', 'expected'),
  [(0, 1, 4, 0.91036), (0.5, 2, 8, 0.918122), (0.5, 2, 0, 0.86464)],
)
def test_similarity_is_that_of_algoperf(mean, std, volume_max, expected):
  one, other = (
    jnp.asarray(mean + std * x, jnp.float32)[None] for x in _waves()
  )
  value = ssim(other, one, jnp.asarray([volume_max], jnp.float32))
  # The values were written down with six digits at most.
  np.testing.assert_allclose(value, [expected], atol=1e-5)


def _slow_similarity(x, y, data_range):
  """Window by window, padded by reflection, then without the border."""
  height, width = x.shape
  x, y = (np.pad(v, 3, 'symmetric') for v in (x, y))
  c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
  values = np.empty((height, width))
  for i in range(height):
    for j in range(width):
      a, b = (v[i : i + 7, j : j + 7].ravel() for v in (x, y))
      (va, c), (_, vb) = np.cov(a, b)  # Over 48.
      ma, mb = a.mean(), b.mean()
      values[i, j] = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
      values[i, j] *= (2 * c + c2) / (va + vb + c2)
  return values[3:-3, 3:-3].mean()


def test_similarity_is_that_of_every_window():
  rng = np.random.default_rng(0)
  x = rng.random((3, 17, 12))
  y = x + rng.normal(0, [[[0.01]], [[0.1]], [[1.0]]], x.shape)
  ranges = np.array([1.0, 0.5, 3.0])
  expected = [_slow_similarity(*v) for v in zip(x, y, ranges, strict=True)]
  ours = ssim(*(jnp.asarray(v, jnp.float32) for v in (x, y, ranges)))
  # Variances as differences in float32, beside constants of 1e-4 and more.
  np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_similarity_at_its_ends():
  # Periods as long as windows, so that every window has mean zero.
  x = jnp.sin(2 * jnp.pi / 7 * jnp.arange(9.0))[None, :, None]
  x = jnp.broadcast_to(x, (1, 9, 9))
  one = jnp.ones(1)
  np.testing.assert_allclose(ssim(x, x, one), [1], atol=1e-6)
  assert ssim(x, x, one) <= 1
  # All but opposite: the constant is a thousandth of the variances.
  np.testing.assert_allclose(ssim(x, -x, one), [-1], atol=2e-3)
  # Scanners count in units near 1e-4: squares must not vanish in float32.
  y = 0.8 * x + 0.1
  small = ssim(1e-4 * x, 1e-4 * y, 1e-4 * one)
  np.testing.assert_allclose(small, ssim(x, y, one), rtol=1e-4)


def test_examples_are_judged_in_the_unit_of_the_scanner(small):
  workload, model, batch = small
  key = jax.random.key(0)
  images, _ = jax.jit(workload.forward, static_argnums=3)(
    model, batch, key, 0.0
  )
  stats = jax.jit(workload.eval_stats)(model, batch)
  for n, (mean, std, top) in enumerate([(0.1, 0.2, 0.7), (3, 5, 1)]):
    ours, target = (
      np.asarray(v[n], np.float64) * std + mean
      for v in (images, batch['targets'])
    )
    expected = _slow_similarity(ours, target, top)
    np.testing.assert_allclose(stats['ssim'][n], expected, atol=1e-4)
  stats = {name: np.asarray(rows) for name, rows in stats.items()}
  metrics = workload.summarize(stats)
  assert metrics['ssim'] == pytest.approx(stats['ssim'].mean(), rel=1e-6)
  assert metrics['loss'] == pytest.approx(stats['loss'].mean(), rel=1e-6)


def test_transforms_are_unitary_and_inverse():
  rng = np.random.default_rng(0)
  image = rng.standard_normal((2, 6, 5)) + 1j * rng.standard_normal((2, 6, 5))
  measured = kspace.to_kspace(image)
  np.testing.assert_allclose(kspace.to_image(measured), image)
  np.testing.assert_allclose(
    np.linalg.norm(measured), np.linalg.norm(image), rtol=1e-12
  )


def test_frequency_zero_and_place_zero_are_in_the_middle():
  middle = np.zeros((6, 5))
  middle[3, 2] = 1
  flat = np.full((6, 5), 30**-0.5)
  np.testing.assert_allclose(kspace.to_kspace(flat), middle, atol=1e-12)
  np.testing.assert_allclose(kspace.to_image(flat), middle, atol=1e-12)


@pytest.mark.parametrize(
  ('width', 'first', 'low'), [(368, 170, 29), (372, 172, 29), (64, 30, 5)]
)
def test_columns_are_the_centre_and_random_others(width, first, low):
  columns = kspace.draw_columns(np.random.default_rng(0), 4000, width)
  shares = columns.mean(axis=0)
  assert (shares[first : first + low] == 1).all()
  others = np.delete(shares, np.s_[first : first + low])
  share = (width / 4 - low) / (width - low)
  # Five standard errors of a share of 4000 coins.
  error = 5 * (share * (1 - share) / 4000) ** 0.5
  np.testing.assert_allclose(others, share, atol=error)
  np.testing.assert_allclose(shares.mean(), 1 / 4, atol=error / 10)


def test_an_example_of_measurements():
  rng = np.random.default_rng(0)
  shape = (12, 7)
  measured = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
  columns = np.array([0, 1, 0, 1, 1, 0, 1], bool)
  target = 20 * rng.standard_normal((4, 5))
  found = kspace.example(measured, columns, target)
  # The inverse transform as two matrices about the middles of their axes.
  waves = [
    np.exp(2j * np.pi * np.outer(k, k) / n) / n**0.5
    for n in shape
    for k in [np.arange(n) - n // 2]
  ]
  image = waves[0] @ (measured * columns) @ waves[1]
  image = np.abs(image[4:8, 1:6])
  mean, std = image.mean(), image.std()
  expected = {
    'inputs': (image - mean) / std,
    'targets': np.clip((target - mean) / std, -6, 6),
    'mean': mean,
    'std': std,
  }
  assert np.abs(expected['targets']).max() == 6
  assert found.keys() == expected.keys()
  for name, value in expected.items():
    assert found[name].dtype == np.float32
    np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('shape', [(12, 7), (11, 8), (9, 9)])
def test_columns_may_be_chosen_halfway_to_the_image(shape):
  """Whatever is even or odd, in double precision."""
  rng = np.random.default_rng(1)
  measured = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
  columns = rng.random((3, shape[1])) < 0.5
  target = rng.standard_normal((3, 4, 5))
  plain = kspace.example(measured, columns, target)
  half = kspace.halfway(measured, 4)
  assert half.shape == (4, shape[1])
  found = kspace.example(half, columns, target, kspace.ALONG_ROWS)
  for name, value in plain.items():
    np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('value', [0, np.nan])
def test_an_image_without_contrast_is_refused(value):
  """It would be divided by zero, and train with NaN."""
  measured = np.full((2, 12, 7), value, complex)
  measured[0] = np.random.default_rng(0).standard_normal((12, 7))
  with pytest.raises(ValueError, match=r'standard deviation .* is (0.0|nan)'):
    kspace.example(measured, np.ones((2, 7), bool), np.zeros((2, 4, 4)))


def test_generated_slices_of_a_patient():
  rows = synthetic.source('validation', 32).rows
  patients = synthetic.PATIENTS['validation']
  assert rows['inputs'].shape == (patients * synthetic.SLICES, 32, 32)
  scale, shift = rows['std'][:, None, None], rows['mean'][:, None, None]
  images = (rows['targets'] * scale + shift).reshape(patients, -1, 32, 32)
  brightest = rows['volume_max'].reshape(patients, -1)
  assert (brightest == brightest[:, :1]).all()
  # Of images, float32 rounds there and back. Some lost their brightest pixels
  # to the clipping.
  shown = images.max(axis=(1, 2, 3)) / brightest[:, 0]
  assert (shown < 1 + 1e-5).all()
  assert (shown > 1 - 1e-5).sum() > patients / 3

  def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]

  own = [correlation(p[3], p[4]) for p in images]
  others = [correlation(p[3], q[4]) for p, q in itertools.pairwise(images)]
  assert np.mean(own) > np.mean(others) + 0.1
  assert min(own) > 0.5


def test_generated_inputs_have_artefacts():
  rows = synthetic.source('validation', 32).rows
  # Inputs are standard by their definition, clipped ones nearly so.
  np.testing.assert_allclose(rows['inputs'].mean(axis=(1, 2)), 0, atol=0.05)
  np.testing.assert_allclose(rows['inputs'].std(axis=(1, 2)), 1, atol=0.05)
  distance = np.abs(rows['inputs'] - rows['targets']).mean()
  assert 0.2 < distance < 1.5


def test_splits_have_patients_of_their_own():
  train, validation = (
    synthetic.source(split, 32).rows['volume_max']
    for split in ('train', 'validation')
  )
  assert not np.intersect1d(train, validation).size
