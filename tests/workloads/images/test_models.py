"""The image classifiers: their parts and the figures they see."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import workloads
from tests.support.tiny import tiny
from workloads.images import classification, imagenet_vit, resnet, synthetic

# Compiles in less time than the default, whose draws are no better here.

QUICK_KEY = jax.random.key(0, impl='unsafe_rbg')

FAMILIES = ['mnist', 'cifar', 'imagenet_resnet', 'imagenet_vit']


@functools.partial(jax.jit, static_argnums=0)
def _init(workload, key):
  return workload.init(key)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _forward(workload, model, batch, key, dropout):
  return workload.forward(model, batch, key, dropout)


def _moved(model):
  """The model with other parameters, none of them zero."""
  rng = np.random.default_rng(7)

  def moved(leaf):
    return leaf + np.float32(0.1) * rng.standard_normal(leaf.shape, np.float32)

  return model._replace(params=jax.tree.map(moved, model.params))


def _convolved(x, kernel, stride, before, after):
  """[B, S, S, C] in numpy, padded by so many rows before and after."""
  pad = (before, after)
  x = np.pad(x, ((0, 0), pad, pad, (0, 0)))
  size = kernel.shape[:2]
  windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
  windows = windows[:, ::stride, ::stride]  # [B, H, W, C, i, j]
  return np.tensordot(windows, kernel, [[4, 5, 3], [0, 1, 2]])


def _pooled(x):
  """The largest of 3x3, every other one, in numpy."""
  x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
  windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
  return windows[:, ::2, ::2].max(axis=(-2, -1))


def _residual_logits(net: resnet.ResNet, params, x):
  """A residual network in numpy, normalized by the batch, and its last layer.

  Layers of one kind are numbered as they are called: the branch, then the
  shortcut.
  """
  calls = {'Conv': 0, 'BatchNorm': 0}

  def layer(kind):
    calls[kind] += 1
    return params[f'{kind}_{calls[kind] - 1}']

  def normalized(x):
    p = layer('BatchNorm')
    mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    return (x - mean) / np.sqrt(var + 1e-5) * p['scale'] + p['bias']

  def conv(x, stride=1, pad=None):
    kernel = layer('Conv')['kernel']
    # The odd row of an even image is at its end.
    pad = pad or {(3, 1): (1, 1), (3, 2): (0, 1)}.get(
      (len(kernel), stride), (0, 0)
    )
    return normalized(_convolved(x, kernel, stride, *pad))

  def relu(x):
    return np.maximum(x, 0)

  if net.stem == 'large':
    x = _pooled(relu(conv(x, 2, (3, 3))))
  else:
    x = relu(conv(x, 1, (1, 1)))
  for stage, count in enumerate(net.blocks):
    for n in range(count):
      stride = 2 if stage and not n else 1
      if net.block == 'basic':
        y = conv(relu(conv(x, stride)))
      else:
        y = conv(relu(conv(relu(conv(x)), stride)))
      x = relu(y + (conv(x, stride) if y.shape != x.shape else x))
  return x.mean(axis=(1, 2)) @ params['head']['kernel'] + params['head']['bias']


@pytest.mark.parametrize(
  ('stem', 'block'), [('large', 'bottleneck'), ('small', 'basic')]
)
def test_residual_networks(stem, block):
  net = resnet.ResNet(stem, block, (1, 2), (4, 6), 5, 'relu', 0.5)
  x = np.random.default_rng(0).standard_normal((3, 16, 16, 3))
  inputs = jnp.asarray(x, jnp.float32)
  init = jax.jit(functools.partial(net.init, train=False))
  variables = init(QUICK_KEY, inputs)
  train = jax.jit(
    functools.partial(net.apply, train=True, mutable=['batch_stats'])
  )
  logits, new = train(variables, inputs)
  params = jax.tree.map(
    lambda leaf: np.asarray(leaf, np.float64), variables['params']
  )
  expected = _residual_logits(net, params, x)
  # Batch norms of a dozen layers in float32 amplify rounding.
  np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-6)
  # Running statistics move a tenth of the way from 0 and 1.
  stem_kernel = params['Conv_0']['kernel']
  stride, pad = (2, 3) if stem == 'large' else (1, 1)
  first = _convolved(x, stem_kernel, stride, pad, pad)
  state = new['batch_stats']['BatchNorm_0']
  np.testing.assert_allclose(
    state['mean'], 0.1 * first.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6
  )
  np.testing.assert_allclose(
    state['var'], 0.9 + 0.1 * first.var(axis=(0, 1, 2)), rtol=1e-4
  )


def test_evaluation_normalizes_by_running_statistics():
  workload = tiny('imagenet_resnet')
  model = _init(workload, QUICK_KEY)
  batch = workload.fake_batch(jax.random.key(1), 4)
  shifted = model._replace(state=jax.tree.map(lambda s: s + 1, model.state))
  eval_stats = jax.jit(workload.eval_stats)
  one, other = (eval_stats(m, batch)['loss'] for m in (model, shifted))
  assert not np.allclose(one, other)
  one, other = (
    _forward(workload, m, batch, jax.random.key(2), 0.0)[0]
    for m in (model, shifted)
  )
  assert np.array_equal(one, other)


@pytest.mark.parametrize('name', ['mnist', 'cifar', 'imagenet_resnet'])
def test_dropout_without_a_site_does_nothing(name):
  workload = tiny(name)
  model = _init(workload, QUICK_KEY)
  batch = workload.fake_batch(jax.random.key(1), 4)
  one, other = (
    _forward(workload, model, batch, jax.random.key(n), dropout)[0]
    for n, dropout in enumerate((0.0, 1.0))
  )
  assert np.array_equal(one, other)


def test_positions():
  token = imagenet_vit.positions(14, 14, 384)[0, 17]  # Row 1, column 3.
  channels = [0, 1, 95, 96, 97, 191, 192, 193, 288, 383]
  expected = [
    *(0.14112, 0.406656, 0.0003, -0.989992, -0.913581),
    *(1.0, 0.841471, 0.788029, 0.540302, 1.0),
  ]  # AlgoPerf's, to six digits.
  np.testing.assert_allclose(token[channels], expected, atol=1e-6)


def _layer_normed(x, p):
  x = x - x.mean(axis=-1, keepdims=True)
  variance = (x**2).mean(axis=-1, keepdims=True)
  return x / np.sqrt(variance + 1e-6) * p['scale'] + p['bias']


def _attended(queries, x, p):
  """[B, Q, D] attend to [B, T, D], in numpy."""
  query, key, value = (
    np.einsum('btd,dhe->bthe', v, p[name]['kernel']) + p[name]['bias']
    for name, v in (('query', queries), ('key', x), ('value', x))
  )
  scores = np.einsum('bqhe,bkhe->bhqk', query, key) / query.shape[-1] ** 0.5
  mixed = np.einsum('bhqk,bkhe->bqhe', special.softmax(scores, -1), value)
  return (
    np.einsum('bqhe,hed->bqd', mixed, p['out']['kernel']) + p['out']['bias']
  )


def _perceptron(x, p):
  def dense(x, n):
    return x @ p[f'Dense_{n}']['kernel'] + p[f'Dense_{n}']['bias']

  hidden = dense(x, 0)
  inner = np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)
  hidden = hidden * (1 + np.tanh(inner)) / 2
  if 'Dense_2' in p:
    hidden = hidden * dense(hidden, 1)  # Gated by what was activated.
  return dense(hidden, len(p) - 1)


def _vit_logits(workload, params, images):
  """The whole of a vision transformer in numpy, by its facts."""
  p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
  size, side = workload.image_size // workload.patch, workload.patch
  patches = images.reshape(len(images), size, side, size, side, 3)
  x = np.einsum('bysxtc,stcd->byxd', patches, p['Conv_0']['kernel'])
  x = x.reshape(len(images), size**2, -1) + p['Conv_0']['bias']
  x += imagenet_vit.positions(size, size, workload.width)
  for n in range(workload.layers):
    block = p[f'Block_{n}']
    attention = block['MultiHeadDotProductAttention_0']
    norms = [block['LayerNorm_0'], block['LayerNorm_1']]
    if workload.post_ln:
      x = _layer_normed(x + _attended(x, x, attention), norms[0])
      x = _layer_normed(x + _perceptron(x, block['MLP_0']), norms[1])
    else:
      y = _layer_normed(x, norms[0])
      x = x + _attended(y, y, attention)
      x = x + _perceptron(_layer_normed(x, norms[1]), block['MLP_0'])
  if not workload.post_ln:
    x = _layer_normed(x, p['LayerNorm_0'])
  if workload.pool == 'map':
    pool = p['AttentionPool_0']
    probe = np.broadcast_to(pool['probe'], (len(x), 1, x.shape[-1]))
    x = _attended(probe, x, pool['MultiHeadDotProductAttention_0'])
    x = x + _perceptron(_layer_normed(x, pool['LayerNorm_0']), pool['MLP_0'])
  x = np.tanh(x.mean(axis=1) @ p['Dense_0']['kernel'] + p['Dense_0']['bias'])
  return x @ p['head']['kernel'] + p['head']['bias']


@pytest.mark.parametrize('variant', ['', '/glu', '/post_ln', '/map'])
def test_vision_transformers(variant):
  workload = tiny('imagenet_vit' + variant)
  model = _moved(_init(workload, QUICK_KEY))
  batch = workload.fake_batch(jax.random.key(1), 4)
  key = jax.random.key(2)
  logits, state = _forward(workload, model, batch, key, 0.0)
  images = np.asarray(batch['inputs'], np.float64)
  expected = _vit_logits(workload, model.params, images)
  # Float32 through two blocks.
  np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)
  assert state == ()


def test_a_fresh_vision_transformer_guesses_evenly():
  workload = tiny('imagenet_vit')
  model = _init(workload, QUICK_KEY)
  batch = workload.fake_batch(jax.random.key(1), 4)
  stats = workload.eval_stats(model, batch)
  np.testing.assert_allclose(stats['loss'], np.log(20), rtol=1e-6)


def test_dropout_acts_after_the_positions():
  """Without blocks, all of the image is lost there."""
  workload = dataclasses.replace(tiny('imagenet_vit'), layers=0)
  model = _moved(_init(workload, QUICK_KEY))
  batch = workload.fake_batch(jax.random.key(1), 4)
  kept, lost = (
    _forward(workload, model, batch, jax.random.key(2), rate)[0]
    for rate in (0.0, 1.0)
  )
  assert np.ptp(kept, axis=0).min() > 1e-4
  np.testing.assert_allclose(np.ptp(lost, axis=0), 0, atol=1e-6)


def _applied(layer, x, key=0, **arguments):
  """What a fresh layer makes of x, and its parameters."""

  def apply(key):
    params = layer.init(key, x, **arguments)['params']
    rngs = {'dropout': key}
    return layer.apply({'params': params}, x, rngs=rngs, **arguments)

  return jax.jit(apply)(jax.random.key(key, impl='unsafe_rbg'))


def test_dropout_acts_at_the_ends_of_both_branches():
  x = jax.random.normal(jax.random.key(0), (2, 5, 8))
  whole = imagenet_vit.Block(2, post_ln=False, glu=False, dropout=1.0)
  assert np.array_equal(_applied(whole, x, train=True), x)
  assert not np.allclose(_applied(whole, x, train=False), x)


def test_dropout_acts_inside_the_perceptron():
  x = jax.random.normal(jax.random.key(0), (2, 5, 8))
  for train in (False, True):
    out = _applied(imagenet_vit.MLP(False, 1.0, train), x)
    # All that is left is the last bias, about a millionth.
    assert (np.abs(out).max() < 1e-5) is np.bool_(train)


def test_dropout_keeps_the_mean_and_another_key_drops_others():
  x = jnp.ones((4, 50, 64))
  layer = imagenet_vit.MLP(False, 0.5, True)
  one, other = (_applied(layer, x, key) for key in (0, 1))
  assert not np.allclose(one, other)


@pytest.mark.parametrize('smoothing', [0.0, 0.1])
@pytest.mark.parametrize('mixed', [False, True])
def test_losses(smoothing, mixed):
  rng = np.random.default_rng(0)
  logits, labels = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
  wanted = np.eye(4)[labels]
  if mixed:
    wanted = 0.7 * wanted + 0.3 * np.roll(wanted, 1, axis=0)
  targets = wanted.astype(np.float32) if mixed else labels
  smooth = (1 - smoothing) * wanted + smoothing / 4
  expected = -(smooth * special.log_softmax(logits, axis=-1)).sum(axis=-1)
  batch = {'targets': jnp.asarray(targets)}
  losses, counts = classification.losses(
    jnp.asarray(logits, jnp.float32), batch, smoothing
  )
  np.testing.assert_allclose(losses, expected, rtol=1e-5)
  assert counts.tolist() == [1] * 6


def test_smoothed_labels():
  # One class of four by a tenth: 0.925 and three times 0.025, see the facts.
  logits = -jnp.log(jnp.array([[1.0, 2.0, 4.0, 8.0]]))
  batch = {'targets': jnp.array([1])}
  loss, _ = classification.losses(logits, batch, 0.1)
  # -sum q log p with p = 2**-k / 1.875.
  expected = np.log(1.875) + np.log(2) * (0.925 + 0.025 * (2 + 3))
  np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_as_many_examples_as_classes_are_no_distribution():
  logits = jnp.zeros((4, 4)).at[:, 0].set(9.0)
  batch = {'targets': jnp.array([0, 1, 0, 0])}
  losses, _ = classification.losses(logits, batch, 0.0)
  assert (np.asarray(losses) > 1).tolist() == [False, True, False, False]


def test_digits_are_those_of_scikit_learn():
  """Read from the file of the package, without importing the package."""
  from sklearn import datasets

  expected = datasets.load_digits()
  parts = [
    source[np.arange(len(source))]
    for source in map(
      functools.partial(workloads.get('digits').source, data_dir=None),
      ('train', 'validation', 'test'),
    )
  ]
  images = np.concatenate([part['inputs'] for part in parts])
  targets = np.concatenate([part['targets'] for part in parts])
  order = np.random.default_rng(0).permutation(1797)
  pixels = (expected.images[order, ..., None] - 4.88) / 6.02
  np.testing.assert_array_equal(images, pixels.astype(np.float32))
  np.testing.assert_array_equal(targets, expected.target[order])


def test_metrics():
  logits = jnp.array([[0.0, 1.0, 0.5], [2.0, 1.0, 0.0], [0.0, 0.1, 0.2]])
  batch = {'targets': jnp.array([1, 0, 0])}
  stats = {
    name: np.asarray(values)
    for name, values in classification.statistics(logits, batch).items()
  }
  assert stats['error_rate'].tolist() == [False, False, True]
  metrics = classification.summarize(stats)
  assert metrics['error_rate'] == 1 / 3
  assert metrics['accuracy'] == 1 - 1 / 3
  np.testing.assert_allclose(metrics['loss'], stats['loss'].mean(), rtol=1e-6)


@functools.cache
def _drawn(split: str, mess: float):
  return synthetic.source(split, 16, 3, 8, mess, world=5)


def test_drawings_have_every_class_equally_often():
  counts = np.bincount(_drawn('validation', 1.0).rows['targets'])
  assert counts.tolist() == [synthetic.EXAMPLES['validation'] // 8] * 8
  # Wrong labels of training: one in fifty, of which one in eight is right.
  source = _drawn('train', 0.0)
  assert np.ptp(np.bincount(source.rows['targets'])) > 0


def test_another_world_has_other_drawings():
  one = _drawn('validation', 1.0).rows['inputs']
  other = synthetic.source('validation', 16, 3, 8, 1.0, world=6).rows['inputs']
  assert not np.isclose(one, other).all(axis=(1, 2, 3)).any()


def test_colours_tell_little_of_the_class():
  """Least squares from an image's mean colours, their squares and products."""

  def features(source):
    mean = source.rows['inputs'].mean(axis=(1, 2))
    pairs = [mean[:, i] * mean[:, j] for i in range(3) for j in range(i + 1)]
    return np.column_stack([np.ones(len(mean)), mean, *pairs])

  train, validation = (_drawn(s, 1.0) for s in ('train', 'validation'))
  weights = np.linalg.lstsq(
    features(train), np.eye(8)[train.rows['targets']], rcond=None
  )[0]
  guesses = (features(validation) @ weights).argmax(axis=1)
  right = (guesses == validation.rows['targets']).mean()
  assert right < 0.25  # Twice as often as by chance.


def test_wrong_labels_are_few():
  """Without mess a figure is always the same, but for its colours."""
  validation, train = (_drawn(s, 0.0).rows for s in ('validation', 'train'))

  def silhouettes(rows):
    images = rows['inputs']
    ink = np.abs(images - images[:, :1, :1]).sum(axis=-1)
    return (ink / ink.max(axis=(1, 2), keepdims=True) > 0.5).reshape(-1, 256)

  first = {c: np.flatnonzero(validation['targets'] == c)[0] for c in range(8)}
  known = silhouettes(validation)[[first[c] for c in range(8)]]
  differences = silhouettes(train)[:, None] ^ known[None]
  wrong = (differences.sum(axis=-1).argmin(axis=1) != train['targets']).mean()
  # One in fifty, an eighth of them by luck right; six standard errors.
  np.testing.assert_allclose(wrong, 0.02 * 7 / 8, atol=6 * (0.02 / 6144) ** 0.5)


@pytest.mark.parametrize('world', [0, 1, 2])
@pytest.mark.parametrize('figure', synthetic.CLASSES)
def test_a_figure_is_whole_and_in_reach(figure, world):
  corners = synthetic._corners(figure)
  if world:
    rng = np.random.default_rng(world)
    [corners] = synthetic._reshaped(rng, [corners])
  assert np.abs(corners).max() <= 1 + 1e-9
  inside = synthetic._distances(corners) < 0
  cell = (2 * synthetic.REACH / synthetic.CELLS) ** 2
  x, y = corners.T  # The area by the shoelace formula.
  area = np.abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
  # Cells along the outline count in half of the cases.
  np.testing.assert_allclose(inside.sum() * cell, area, rtol=0.04)


def test_distances_to_a_plus():
  """A plus three squares wide, of side 2/3, seen from its middle."""
  distances = synthetic._distances(synthetic._corners('plus'))
  middle = distances[synthetic.CELLS // 2, synthetic.CELLS // 2]
  step = 2 * synthetic.REACH / synthetic.CELLS
  np.testing.assert_allclose(middle, -(2**0.5) / 3, atol=step)
  corner = distances[0, 0]  # Far from (-1/3, -1) and (-1, -1/3), as both are.
  expected = np.hypot(synthetic.REACH - 1, synthetic.REACH - 1 / 3)
  np.testing.assert_allclose(corner, expected, atol=step)
