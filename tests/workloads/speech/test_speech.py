"""What the speech workloads share, against AlgoPerf's and numpy's numbers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal, special

from workloads.speech import mel, speech, wer

BINS = np.array([0, 10, 20, 40, 60, 79])
TONES = [-1.13763, 1.81969, -1.21400, -1.51203, -1.58858, -1.33270]


def _tones() -> tuple[np.ndarray, np.ndarray]:
  """Two tones for two seconds; the last half second is padding."""
  turns = 2 * np.pi * np.arange(32_000) / mel.RATE
  wave = 3000 * np.sin(440 * turns) + 1000 * np.cos(3000 * turns)
  paddings = np.zeros((1, 32_000), np.float32)
  paddings[:, -8000:] = 1
  return np.round(wave)[None].astype(np.float32), paddings


@pytest.fixture(scope='module')
def log_mel():
  return jax.jit(mel.log_mel)


def test_log_mel_energies_are_those_of_algoperf(log_mel):
  features, paddings = log_mel(*_tones())
  assert features.shape == (1, 198, 80)
  assert paddings.tolist() == [[0.0] * 150 + [1.0] * 48]
  # Recorded with five digits behind the point.
  np.testing.assert_allclose(features[0, 0, BINS], TONES, atol=1e-5)
  np.testing.assert_allclose(features[0, 100, BINS], TONES, atol=1e-5)
  silence = features[0, 180, np.array([0, 40, 79])]
  np.testing.assert_allclose(silence, [-1.13763, -1.51203, -1.33270], atol=1e-5)


def test_the_mel_matrix_is_that_of_algoperf():
  matrix = mel.mel_matrix()
  assert matrix.shape == (257, 80)
  assert (matrix > 0).sum() == 470
  np.testing.assert_allclose(matrix.sum(), 234.948, rtol=1e-5)
  np.testing.assert_allclose(matrix[5, 1], 0.30445, atol=1e-5)


def test_one_frame_by_hand(log_mel):
  wave = np.random.default_rng(0).normal(0, 1000, (1, 401)).astype(np.float32)
  features, _ = log_mel(wave, np.zeros_like(wave))
  x = wave[0].astype(np.float64) / 2**15
  frame = np.concatenate([[0.03 * x[0]], x[1:400] - 0.97 * x[:399]])
  window = signal.windows.hann(400, sym=False)
  power = np.abs(np.fft.rfft(frame * window, 512)) ** 2
  expected = np.log(np.maximum(power @ mel.mel_matrix(), 1e-5))
  ours = np.asarray(features[0, 0]) * mel.STD + mel.MEAN
  np.testing.assert_allclose(ours, expected, atol=1e-3)  # FFT in float32.


def test_what_lies_below_padding_is_not_heard(log_mel):
  wave, paddings = _tones()
  loud = wave + 1e4 * paddings
  assert np.array_equal(log_mel(wave, paddings)[0], log_mel(loud, paddings)[0])


@pytest.mark.parametrize(
  ('samples', 'count'), [(401, 1), (24_000, 148), (320_000, 1998)]
)
def test_frames_of_a_waveform(samples, count):
  shape = jax.ShapeDtypeStruct((2, samples), jnp.float32)
  features, paddings = jax.eval_shape(mel.log_mel, shape, shape)
  assert mel.count_frames(samples) == count
  assert features.shape == (2, count, 80)
  assert paddings.shape == (2, count)


FRAMES = 200
LENGTHS = np.array([200, 150, 40, 7])


@pytest.fixture(scope='module')
def augmented():
  """Ones, with what is hidden: 100 draws of time masks, then of bands."""
  paddings = (np.arange(FRAMES)[None] >= LENGTHS[:, None]).astype(np.float32)
  ones = jnp.ones((4, FRAMES, 80))

  def draw(time_masks, frequency_masks):
    return jax.jit(
      jax.vmap(
        lambda key: speech.spec_augment(
          key,
          ones,
          paddings,
          time_masks=time_masks,
          frequency_masks=frequency_masks,
        )
      )
    )(jax.random.split(jax.random.key(0), 100))

  return np.asarray(draw(1, 0)), np.asarray(draw(0, 1))


def test_a_time_mask_hides_less_than_a_twentieth_of_the_frames(augmented):
  hidden = augmented[0] == 0  # [100, 4, T, 80]
  assert (hidden.all(axis=-1) == hidden.any(axis=-1)).all()
  sizes = hidden[..., 0].sum(axis=-1)  # [100, 4]
  # Sizes are rounded down, so never the twentieth itself.
  assert sizes.max(axis=0).tolist() == [9, 7, 1, 0]
  assert sizes.min() == 0
  for n, length in enumerate(LENGTHS):
    assert not hidden[:, n, length:].any()
  # Five standard errors of the mean of 100 even draws of 0..9.
  np.testing.assert_allclose(sizes[:, 0].mean(), 4.5, atol=1.5)


def test_a_frequency_mask_hides_up_to_26_bands(augmented):
  hidden = augmented[1] == 0
  assert (hidden.all(axis=2) == hidden.any(axis=2)).all()
  sizes = hidden[:, :, 0].sum(axis=-1)
  assert sizes.max() == 26
  assert sizes.min() == 0
  # Five standard errors of the mean of 400 even draws of 0..26.
  np.testing.assert_allclose(sizes.mean(), 13, atol=2)
  assert hidden[:, :, 0].any(axis=(0, 1)).all()  # Every band at some time.


def test_masks_are_stretches_that_differ_from_utterance_to_utterance(augmented):
  for hidden in (augmented[0][..., 0] == 0, augmented[1][:, :, 0] == 0):
    edges = np.diff(hidden.astype(int), axis=-1, prepend=0, append=0)
    assert ((edges == 1).sum(axis=-1) <= 1).all()
    assert not np.array_equal(hidden[:, 0], hidden[:, 1])


def test_subsampling_quarters_frames_and_masks_the_rest():
  layer = speech.Subsample(width=3, features=5, activation='relu')
  x = jax.random.normal(jax.random.key(0), (2, 11, 80))
  paddings = jnp.zeros((2, 11)).at[1, 6:].set(1)
  params = layer.init(jax.random.key(1), x, paddings)
  y, left = layer.apply(params, x, paddings)
  assert y.shape == (2, 3, 5)
  assert left.tolist() == [[0, 0, 0], [0, 0, 1]]
  bias = params['params']['Dense_0']['bias']
  assert np.array_equal(y[1, 2], bias)


@pytest.fixture
def normed():
  layer = speech.BatchNorm()
  x = 3 + 2 * jax.random.normal(jax.random.key(0), (2, 5, 4))
  paddings = jnp.zeros((2, 5)).at[1, 2:].set(1)
  variables = layer.init(jax.random.key(1), x, paddings, train=False)
  return layer, x, paddings, variables


def test_batch_norm_counts_real_frames_only(normed):
  layer, x, paddings, variables = normed
  x = x.at[1, 2:].set(1e3)  # Padding.
  y, new = layer.apply(
    variables, x, paddings, train=True, mutable=['batch_stats']
  )
  real = np.concatenate([x[0], x[1, :2]]).astype(np.float64)  # [7, 4]
  mean, var = real.mean(axis=0), real.var(axis=0)
  expected = (real - mean) / np.sqrt(var + 1e-3)
  ours = np.concatenate([y[0], y[1, :2]])
  np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
  assert not y[1, 2:].any()
  stats = new['batch_stats']
  np.testing.assert_allclose(stats['mean'], 0.001 * mean, rtol=1e-4)
  np.testing.assert_allclose(stats['var'], 0.999 + 0.001 * var, rtol=1e-5)


def test_batch_norm_evaluates_with_what_it_remembers(normed):
  layer, x, paddings, _ = normed
  stats = {'mean': jnp.full(4, 2.0), 'var': jnp.full(4, 9.0)}
  params = {'scale': jnp.full(4, 0.5), 'bias': jnp.full(4, -1.0)}
  y = layer.apply(
    {'params': params, 'batch_stats': stats}, x, paddings, train=False
  )
  expected = 1.5 * (np.asarray(x) - 2) / np.sqrt(9.001) - 1
  expected *= 1 - np.asarray(paddings)[..., None]
  np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_batch_norm_starts_at_no_mean_and_variance_one(normed):
  *_, variables = normed
  assert not variables['batch_stats']['mean'].any()
  assert (variables['batch_stats']['var'] == 1).all()
  assert not any(leaf.any() for leaf in jax.tree.leaves(variables['params']))


def test_layer_norm_adds_one_to_its_scale():
  x = np.random.default_rng(0).normal(5, 3, (2, 3, 8))
  params = {'scale': jnp.full(8, 0.5), 'bias': jnp.full(8, -1.0)}
  y = speech.LayerNorm().apply({'params': params}, jnp.asarray(x, jnp.float32))
  centered = x - x.mean(axis=-1, keepdims=True)
  expected = centered / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6)
  np.testing.assert_allclose(y, 1.5 * expected - 1, rtol=1e-4, atol=1e-5)


CTC_OUTPUTS = (
  jnp.sin(jnp.arange(48.0)).reshape(2, 6, 4),
  jnp.zeros((2, 6)).at[1, 4:].set(1),
)
CTC_BATCH = {
  'targets': jnp.array([[1, 2, 2], [3, 0, 0]]),
  'target_paddings': jnp.array([[0.0, 0, 0], [0, 1, 1]]),
}


def _by_alignments(logits, target) -> float:
  """Minus the log of the probability of everything that reads as target."""
  chances = special.softmax(np.asarray(logits, np.float64), axis=-1)
  total = 0.0
  for path in itertools.product(range(chances.shape[1]), repeat=len(chances)):
    if [k for k, _ in itertools.groupby(path) if k] == target:
      total += np.prod(chances[np.arange(len(path)), list(path)])
  return -np.log(total)


def test_ctc_losses_and_their_counts():
  losses, counts = jax.jit(speech.ctc_losses)(CTC_OUTPUTS, CTC_BATCH)
  # Recorded of AlgoPerf with five digits, and by summing all alignments.
  np.testing.assert_allclose(losses, [5.24344, 3.96394], atol=1e-5)
  logits = CTC_OUTPUTS[0]
  expected = [
    _by_alignments(logits[0], [1, 2, 2]),
    _by_alignments(logits[1, :4], [3]),
  ]
  np.testing.assert_allclose(losses, expected, rtol=1e-5)
  assert counts.tolist() == [3, 1]


def test_greedy_decoding_drops_repetitions_then_blanks_and_padding():
  heard = jnp.array([[0, 3, 3, 0, 3, 1, 1, 2], [2, 2, 0, 0, 1, 1, 3, 3]])
  paddings = jnp.zeros((2, 8)).at[1, 5:].set(1)
  decoded = speech.greedy(jax.nn.one_hot(heard, 4), paddings)
  assert decoded.dtype == jnp.int32
  assert decoded.tolist() == [
    [3, 3, 1, 2, 0, 0, 0, 0],
    [2, 1, 0, 0, 0, 0, 0, 0],
  ]


PIECES = ('<unk>', '<s>', '</s>', '▁the', '▁cat', 's', "'")


def _stats(hypothesis, reference) -> dict[str, np.ndarray]:
  return {
    'ctc_loss': np.array([6.0, 3.0], np.float32),
    'tokens': np.array([2.0, 4.0], np.float32),
    'hypothesis': np.array(hypothesis),
    'reference': np.array(reference),
  }


def test_metrics_are_over_all_words_and_all_pieces():
  stats = _stats([[3, 4, 2], [4, 0, 0]], [[3, 4, 5, 2], [3, 4, 2, 0]])
  metrics = speech.summarize(stats, PIECES, ())
  assert metrics == {'wer': 2 / 4, 'ctc_loss': 1.5}


def test_the_quirk_of_the_word_error_rate():
  stats = _stats([[3, 4, 2], [4, 0, 0]], [[3, 4, 5, 2], [3, 4, 2, 0]])
  metrics = speech.summarize(stats, PIECES, ('wer_repr',))
  # tf.Tensor(b'the cat', shape=(), dtype=string) has four words. Of the first
  # utterance one differs; of the second, one is missing and one is changed by
  # what is printed before it.
  assert metrics['wer'] == 3 / 8
  stats = _stats([[3, 0], [3, 0]], [[3, 6, 5], [3, 2, 0]])
  metrics = speech.summarize(stats, PIECES, ('wer_repr',))
  assert metrics['wer'] == 1 / 6  # A single word is first and last at once.


@pytest.mark.parametrize(
  ('hypothesis', 'words'),
  [
    ([3, 2, 4, 0], 'the cat'),  # An end mark in the middle,
    ([3, 2, 5, 2], 'thes'),  # within a word,
    ([2, 3, 4, 0], 'the cat'),  # in front,
    ([3, 4, 2, 2], 'the cat'),  # and at the end, twice.
    ([3, 4, 7, 0], 'the cat '),  # A space is a word of what is printed.
  ],
)
def test_the_quirk_that_hears_beyond_an_end_mark(hypothesis, words):
  texts = (*PIECES, '▁')
  assert wer.text(hypothesis, texts, whole=True) == words
  stats = _stats([hypothesis, hypothesis], [[3, 4, 2, 0]] * 2)
  quirks = ('wer_repr', 'text_after_end')
  expected = wer.word_error_rate([words] * 2, ['the cat'] * 2, as_algoperf=True)
  assert speech.summarize(stats, texts, quirks)['wer'] == expected
  assert (expected == 0) is (words == 'the cat')


def test_without_the_quirk_nothing_is_heard_beyond_an_end_mark():
  stats = _stats([[3, 2, 4, 0], [2, 3, 4, 0]], [[3, 4, 2, 0]] * 2)
  # One word of two is lost, and both of them.
  assert speech.summarize(stats, PIECES, ())['wer'] == 3 / 4
  assert speech.summarize(stats, PIECES, ('text_after_end',))['wer'] == 0


@pytest.mark.parametrize('samples', [4000, 24_000])
def test_fake_utterances_have_finite_losses(samples):
  batch = speech.fake_batch(
    jax.random.key(0), 64, samples=samples, length=12, vocab=9
  )
  sizes = (1 - batch['input_paddings']).sum(axis=1)
  assert sizes.min() >= samples // 2
  assert len(np.unique(sizes)) > 32
  counts = (1 - batch['target_paddings']).sum(axis=1)
  repeats = (
    (batch['targets'][:, 1:] == batch['targets'][:, :-1])
    & (batch['targets'][:, 1:] > 0)
  ).sum(axis=1)
  frames = np.ceil(sizes / (4 * mel.HOP))
  assert (frames >= counts + repeats).all()
  assert ((batch['targets'] > 0) == (batch['target_paddings'] == 0)).all()
  assert not (batch['inputs'] * batch['input_paddings']).any()
