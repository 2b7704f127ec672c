"""Layers, masks, loss and metric shared by both speech workloads.

Both models convert a waveform to log-mel energies (mel.py), mask parts of these
in training, divide the frame rate by four, and compute logits of word pieces
and a blank for every frame. Paddings are 1 after the end, and 0 before.

Batch: 'inputs' [B, S] float32 waveforms in units of int16, 'input_paddings'
[B, S] float32, 'targets' [B, L] int32 pieces, 'target_paddings' [B, L] float32.
Inputs and targets are zero after their end.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from workloads import data
from workloads.data import DataError, pieces
from workloads.speech import mel, wer as transcripts
from workloads.workload import Array, Batch, Key, Source

BLANK = 0  # CTC's blank, which is no target.
XAVIER = nn.initializers.xavier_uniform()
TIME_SHARE = 0.05  # Largest share of an utterance's frames per time mask.
WIDEST = 27  # Upper bound (exclusive) of bands per frequency mask.
QUIRKS = {
  'wer_repr': (
    'The word error rate compares printed tensors, as in AlgoPerf: every '
    'reference has two more words, and quotes depend on apostrophes.'
  ),
  'text_after_end': (
    'The word error rate counts recognized words after an end mark, and '
    'printed tensors keep a final space. Otherwise texts end at the mark.'
  ),
}


def spec_augment(key, features, paddings, *, time_masks, frequency_masks):
  """Mask random ranges of frames and of bands.

  Park et al. 2019, "SpecAugment", arXiv:1904.08779, with time masks in
  proportion to the utterance (Park et al. 2019, arXiv:1912.05533). Masked
  features become 0, which is the mean.

  Args:
    key: Random key.
    features: [B, T, F].
    paddings: [B, T].
    time_masks: Number of time masks.
    frequency_masks: Number of frequency masks.
  """
  size, frames, bands = features.shape
  times, frequencies = jax.random.split(key)
  lengths = (1 - paddings).sum(axis=1)  # [B]
  hidden_frames = _stretches(
    times, lengths, TIME_SHARE * lengths, time_masks, frames
  )
  width = jnp.full(size, float(bands))
  widest = jnp.full(size, float(WIDEST))
  hidden_bands = _stretches(frequencies, width, widest, frequency_masks, bands)
  hidden = hidden_frames[:, :, None] | hidden_bands[:, None]
  return jnp.where(hidden, 0.0, features)


def _stretches(key, lengths, largest, count: int, total: int) -> Array:
  """Draw bool [B, total]: the union of `count` ranges below `largest` [B].

  The sizes are uniform, and so are the positions in the first `lengths` [B].
  """
  shape = (len(lengths), count)
  u, v = (jax.random.uniform(k, shape) for k in jax.random.split(key))
  sizes = jnp.floor(u * largest[:, None])
  starts = jnp.floor(v * (lengths[:, None] - sizes + 1))
  at = jnp.arange(total)[None, None]
  inside = (at >= starts[..., None]) & (at < (starts + sizes)[..., None])
  return inside.any(axis=1)


class Subsample(nn.Module):
  """Two convolutions with stride 2 over frames and bands, and a dense layer.

  The result is x [B, T/4, D] and its paddings [B, T/4], both rounded up.
  """

  width: int  # Channels of the convolutions.
  features: int  # D.
  activation: str  # Name of the convolutions' activation in flax.linen.

  @nn.compact
  def __call__(self, features, paddings):  # [B, T, F], [B, T]
    x = features[..., None]
    for _ in range(2):
      x = nn.Conv(self.width, (3, 3), (2, 2), kernel_init=XAVIER)(x)
      paddings = paddings[:, ::2]
      x = getattr(nn, self.activation)(x) * mask(paddings)[..., None]
    x = x.reshape(*x.shape[:2], -1)  # [B, T/4, F/4 * width]
    return nn.Dense(self.features, kernel_init=XAVIER)(x), paddings


class BatchNorm(nn.Module):
  """Batch norm over all frames that are not padding.

  Ioffe and Szegedy 2015, arXiv:1502.03167. The parameter is the scale minus 1.
  The published momentum needs thousands of steps; short training needs less.
  """

  momentum: float = 0.999
  epsilon: float = 1e-3

  @nn.compact
  def __call__(self, x, paddings, *, train):  # [B, T, D], [B, T]
    shape = x.shape[-1:]
    scale = self.param('scale', nn.initializers.zeros, shape)
    bias = self.param('bias', nn.initializers.zeros, shape)
    mean = self.variable('batch_stats', 'mean', jnp.zeros, shape)
    var = self.variable('batch_stats', 'var', jnp.ones, shape)
    real = mask(paddings)  # [B, T, 1]
    center, spread = mean.value, var.value
    if train:
      count = jnp.maximum(real.sum(), 1)
      center = (x * real).sum(axis=(0, 1)) / count
      spread = ((x - center[None, None]) ** 2 * real).sum(axis=(0, 1)) / count
      if not self.is_initializing():
        mean.value = self._moved(mean.value, center)
        var.value = self._moved(var.value, spread)
    factor = (1 + scale) * jax.lax.rsqrt(spread + self.epsilon)  # [D]
    x = (x - center[None, None]) * factor[None, None] + bias[None, None]
    return x * real

  def _moved(self, old, new):
    return self.momentum * old + (1 - self.momentum) * new


class LayerNorm(nn.Module):
  """Layer norm (Ba et al. 2016, arXiv:1607.06450), with scale minus 1."""

  @nn.compact
  def __call__(self, x):  # [B, T, D]
    shape = x.shape[-1:]
    scale = self.param('scale', nn.initializers.zeros, shape)
    bias = self.param('bias', nn.initializers.zeros, shape)
    x -= x.mean(axis=-1, keepdims=True)
    x *= jax.lax.rsqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)
    return x * (1 + scale)[None, None] + bias[None, None]


def mask(paddings):  # [B, T]
  """Return factors [B, T, 1] that set padding to zero."""
  return 1 - paddings[..., None]


def ctc_losses(outputs, batch) -> tuple[Array, Array]:
  """Return the CTC loss [B] and the number of target pieces [B].

  Graves et al. 2006, "Connectionist Temporal Classification". The loss is the
  negative logarithm of the probability of all alignments. AlgoPerf's mean loss
  is per target piece, not per utterance.
  """
  logits, paddings = outputs  # [B, T, V], [B, T]
  losses = optax.ctc_loss(
    logits,
    paddings,
    batch['targets'],
    batch['target_paddings'],
    blank_id=BLANK,
  )
  return losses, (1 - batch['target_paddings']).sum(axis=1)


def eval_stats(outputs, batch) -> dict[str, Array]:
  """Return loss, recognized pieces and correct pieces of every utterance."""
  losses, tokens = ctc_losses(outputs, batch)
  return {
    'ctc_loss': losses,  # [B]
    'tokens': tokens,  # [B]
    'hypothesis': greedy(*outputs),  # [B, T]
    'reference': batch['targets'],  # [B, L]
  }


def greedy(logits, paddings) -> Array:  # [B, T, V], [B, T]
  """Return the most likely pieces without repetitions and blanks.

  The pieces are at the front of the result [B, T] int32; zeros follow.
  """
  best = logits.argmax(axis=-1).astype(jnp.int32)  # [B, T]
  before = jnp.pad(best, ((0, 0), (1, 0)), constant_values=BLANK)[:, :-1]
  kept = (best != BLANK) & (best != before) & (paddings == 0)
  # A stable sort moves the kept pieces to the front, in order.
  order = jnp.argsort(~kept, axis=1, stable=True)
  return jnp.take_along_axis(jnp.where(kept, best, 0), order, axis=1)


def summarize(stats, texts: Sequence[str], quirks: Sequence[str]):
  """Return the word error rate and the CTC loss per piece of a whole split.

  Args:
    stats: Arrays of `eval_stats` for all utterances.
    texts: Text of every piece.
    quirks: Names of QUIRKS to reproduce.

  Raises:
    DataError: `texts` is empty.
  """
  if not texts:
    raise DataError(
      'The word error rate needs the text of word pieces, stored with the data '
      'of LibriSpeech: use workload.with_text(data_dir).summarize(stats).'
    )
  whole = 'text_after_end' in quirks
  hypotheses, references = (
    [transcripts.text(row, texts, whole=whole) for row in stats[name]]
    for name in ('hypothesis', 'reference')
  )
  loss, tokens = (
    stats[name].sum(dtype=np.float64) for name in ('ctc_loss', 'tokens')
  )
  wer = transcripts.word_error_rate(
    hypotheses, references, as_algoperf='wer_repr' in quirks
  )
  return {'wer': wer, 'ctc_loss': float(loss / tokens)}


def fake_batch(
  key: Key, batch_size: int, *, samples: int, length: int, vocab: int
) -> Batch:
  """Return noise of different lengths with random pieces.

  Every piece has at least two frames after subsampling: one for the piece, and
  one for a blank before a repetition.

  Args:
    key: Random key.
    batch_size: Utterances, B.
    samples: Samples of a waveform, S; at least half of them are not padding.
    length: Maximum pieces of an utterance, L.
    vocab: Number of pieces, including the blank.
  """
  noise, size, pieces, count = jax.random.split(key, 4)
  sizes = jax.random.randint(size, (batch_size,), samples // 2, samples + 1)
  most = jnp.clip(sizes // (2 * 4 * mel.HOP), 1, length)
  counts = jax.random.randint(count, (batch_size,), 1, most + 1)
  silent = jnp.arange(samples)[None] >= sizes[:, None]  # [B, S]
  beyond = jnp.arange(length)[None] >= counts[:, None]  # [B, L]
  waves = 1000 * jax.random.normal(noise, (batch_size, samples))
  targets = jax.random.randint(pieces, (batch_size, length), 1, vocab)
  return {
    'inputs': jnp.where(silent, 0.0, waves),
    'input_paddings': silent.astype(jnp.float32),
    'targets': jnp.where(beyond, 0, targets),
    'target_paddings': beyond.astype(jnp.float32),
    'weights': jnp.ones(batch_size),
  }


def published(
  workload: str, split: str, data_dir: str | None, samples: int, length: int
) -> Source:
  """Return the utterances of a split of LibriSpeech.

  Args:
    workload: Name of the workload.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    samples: Samples of a waveform, S.
    length: Pieces of a transcript, L.

  Raises:
    ValueError: The data are missing, or have changed since their preparation.
  """
  from workloads.speech import reader  # noqa: PLC0415  Imports TFDS.

  decoder = reader.Decoder(samples, length)
  return reader.source(workload, split, data_dir, decoder)


def text(workload: str, data_dir: str | None, vocab: int) -> tuple[str, ...]:
  """Return the text of LibriSpeech's pieces.

  Args:
    workload: Name of the workload.
    data_dir: Folder of all datasets.
    vocab: Outputs of the network, the number of pieces.

  Raises:
    ValueError: The data are missing or changed, as in `published`.
  """
  [place] = data.find(workload, data_dir).values()
  return pieces.text(place, vocab)


def padding(batch: Batch) -> float:
  """Return the share of samples that are padding; tokens do not count."""
  return float(np.mean(batch['input_paddings']))
