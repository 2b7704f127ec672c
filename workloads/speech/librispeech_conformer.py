"""Speech recognition on LibriSpeech with a Conformer.

Gulati et al. 2020, "Conformer: Convolution-augmented Transformer for Speech
Recognition", arXiv:2005.08100, with the convolution after the attention and
absolute positions, as in AlgoPerf (Dahl et al. 2023, arXiv:2306.07179). Data:
LibriSpeech (Panayotov et al. 2015), 263,840 utterances of at most 20 s to
train, dev-clean and dev-other to validate, test-clean to test; 1,024 word
pieces (Kudo and Richardson 2018, arXiv:1808.06226).
"""

import dataclasses
import math
from typing import ClassVar

import jax
import numpy as np
from flax import linen as nn

from workloads import aux_dropout as auxiliary
from workloads.dropout import Dropout
from workloads.speech import forward as recognition, speech, synthetic
from workloads.speech.speech import XAVIER
from workloads.workload import Workload

LONGEST = 10_000.0  # Frames per radian of the slowest position wave.


class Conformer(nn.Module):
  """Conformer network; fields mean the same as in LibriSpeechConformer."""

  vocab: int
  channels: int
  width: int
  hidden: int
  blocks: int
  heads: int
  kernel: int
  activation: str
  temperature: float
  block_norm: bool
  momentum: float
  input_dropout: float | None  # Same as other layers if None.
  inner_dropout: bool  # Dropout in feed-forward layers, after convolutions.

  @nn.compact
  def __call__(self, features, paddings, *, train, dropout, frozen=False):
    """Return logits [B, T/4, V], paddings [B, T/4] of [B, T, F], [B, T]."""
    moving = train and not frozen
    subsample = speech.Subsample(self.channels, self.width, 'relu')
    x, paddings = subsample(features, paddings)
    x += positions(*x.shape[1:])[None]  # [B, T/4, D]
    drop = Dropout(dropout, deterministic=not train)
    inner = drop if self.inner_dropout else _kept
    first = drop
    if self.input_dropout is not None:
      first = Dropout(self.input_dropout, deterministic=not train)
    x = first(x)

    def feed_forward(x):
      layer = FeedForward(self.hidden, self.activation)
      return drop(layer(speech.LayerNorm()(x), paddings, inner))

    for _ in range(self.blocks):
      x += 0.5 * feed_forward(x)
      attention = Attention(self.heads, self.temperature)
      x += drop(attention(speech.LayerNorm()(x), paddings))
      convolution = Convolution(self.kernel, self.activation, self.momentum)
      h = convolution(speech.LayerNorm()(x), paddings, train=moving)
      x += inner(h)
      x += 0.5 * feed_forward(x)
      x = speech.LayerNorm()(x) if self.block_norm else x
    return _dense(self.vocab, 'head')(speech.LayerNorm()(x)), paddings


class FeedForward(nn.Module):
  """Two dense layers with `drop` on the hidden layer."""

  hidden: int
  activation: str

  @nn.compact
  def __call__(self, x, paddings, drop):  # [B, T, D], [B, T]
    h = getattr(nn, self.activation)(_dense(self.hidden)(x))
    h = drop(h) * speech.mask(paddings)
    return _dense(x.shape[-1])(h) * speech.mask(paddings)


class Attention(nn.Module):
  """Self-attention of the frames that are not padding.

  Every channel of the queries has a learned factor, shared by all heads. The
  temperature multiplies the result of attention, as in AlgoPerf's variant; the
  usual temperature would divide the logits.
  """

  heads: int
  temperature: float

  @nn.compact
  def __call__(self, x, paddings):  # [B, T, D], [B, T]
    width = x.shape[-1]
    size = width // self.heads
    query, key, value = (
      _dense((self.heads, size), name)(x) for name in ('query', 'key', 'value')
    )  # [B, T, H, E]
    scale = self.param('query_scale', nn.initializers.zeros, (size,))
    factors = nn.softplus(scale) / math.log(2)  # Initially 1.
    real = paddings == 0
    mixed = jax.nn.dot_product_attention(
      query * factors[None, None, None],
      key,
      value,
      mask=(real[:, :, None] & real[:, None])[:, None],  # [B, 1, T, T]
    )
    return _dense(width, 'out', axis=(-2, -1))(self.temperature * mixed)


class Convolution(nn.Module):
  """Gated linear unit, depthwise convolution and batch norm."""

  kernel: int
  activation: str
  momentum: float

  @nn.compact
  def __call__(self, x, paddings, *, train):  # [B, T, D], [B, T]
    width = x.shape[-1]
    h = _dense(width)(x) * nn.sigmoid(_dense(width)(x))
    h = nn.Conv(
      width,
      (self.kernel,),
      feature_group_count=width,
      use_bias=False,
      kernel_init=XAVIER,
    )(h * speech.mask(paddings))
    h = speech.BatchNorm(self.momentum)(h, paddings, train=train)
    return _dense(width)(getattr(nn, self.activation)(h))


def positions(length: int, width: int) -> np.ndarray:  # [T, D]
  """Return position embeddings [T, D]: sines, then cosines, at D/2 speeds."""
  speeds = LONGEST ** -np.linspace(0, 1, width // 2)
  angles = np.arange(length)[:, None] * speeds[None]
  both = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
  return both.astype(np.float32)


@dataclasses.dataclass(frozen=True)
class LibriSpeechConformer(Workload):
  """CTC loss per piece; the metrics are this loss and the word error rate.

  Batch: see speech.py.
  """

  vocab: int = 1024  # Word pieces, including the blank.
  channels: int = 512  # Channels of the subsampling convolutions.
  width: int = 512
  hidden: int = 2048  # Hidden units of feed-forward layers.
  blocks: int = 4
  heads: int = 8
  kernel: int = 5  # Size of a convolution, in frames.
  activation: str = 'swish'
  temperature: float = 1.0  # Factor on the result of attention.
  block_norm: bool = True  # Norm at the end of a block.
  momentum: float = 0.999  # Momentum of batch norm's running statistics.
  aux_dropout: float | None = None  # Rate for inputs; None: same rate.
  samples: int = 320_000  # Samples of the longest waveform (20 s), S.
  length: int = 256  # Pieces of the longest transcript, L.
  time_masks: int = 10  # Masks of SpecAugment.
  frequency_masks: int = 2
  data: str = 'librispeech'  # Or 'utterances' (generated).
  quirks: tuple[str, ...] = ()
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)
  # Text of the pieces. No compiled code depends on this field.
  pieces: tuple[str, ...] = dataclasses.field(
    default=(), compare=False, repr=False
  )

  loss_kind = 'ctc'
  QUIRKS: ClassVar[dict[str, str]] = {
    **speech.QUIRKS,
    auxiliary.QUIRK: (
      'Inputs always have dropout 0.1. The requested rate applies only to what '
      'attention and feed-forward layers add to the main path.'
    ),
  }

  @property
  def _net(self) -> Conformer:
    return Conformer(
      vocab=self.vocab,
      channels=self.channels,
      width=self.width,
      hidden=self.hidden,
      blocks=self.blocks,
      heads=self.heads,
      kernel=self.kernel,
      activation=self.activation,
      temperature=self.temperature,
      block_norm=self.block_norm,
      momentum=self.momentum,
      input_dropout=auxiliary.rate(self.aux_dropout, self.quirks),
      inner_dropout=auxiliary.QUIRK not in self.quirks,
    )

  def source(self, split, data_dir):
    if self.data == 'utterances':
      return synthetic.source(split, self.world)
    return speech.published(
      'librispeech_conformer', split, data_dir, self.samples, self.length
    )

  def with_text(self, data_dir):
    if self.data == 'utterances':
      return self
    texts = speech.text('librispeech_conformer', data_dir, self.vocab)
    return dataclasses.replace(self, pieces=texts)

  def with_aux_dropout(self, rate):
    return dataclasses.replace(self, aux_dropout=rate)

  def padding(self, batch):
    return speech.padding(batch)

  def fake_batch(self, key, batch_size):
    return speech.fake_batch(
      key,
      batch_size,
      samples=self.samples,
      length=self.length,
      vocab=self.vocab,
    )

  def init(self, key):
    return recognition.init(self._net, key)

  def forward(self, model, batch, key, dropout, frozen=False):
    return recognition.forward(
      self._net,
      model,
      batch,
      key,
      dropout,
      time_masks=self.time_masks,
      frequency_masks=self.frequency_masks,
      frozen=frozen,
    )

  def losses(self, outputs, batch, label_smoothing):
    del label_smoothing  # The published loss has no label smoothing.
    return speech.ctc_losses(outputs, batch)

  def predict(self, model, batch):
    return recognition.evaluate(self._net, model, batch)

  def eval_stats(self, model, batch):
    return speech.eval_stats(self.predict(model, batch), batch)

  def summarize(self, stats):
    texts = synthetic.PIECES if self.data == 'utterances' else self.pieces
    return speech.summarize(stats, texts, self.quirks)


def _kept(x):
  return x


def _dense(features, name: str | None = None, axis=-1) -> nn.DenseGeneral:
  return nn.DenseGeneral(features, axis, kernel_init=XAVIER, name=name)


MINI = LibriSpeechConformer(
  vocab=len(synthetic.PIECES),
  channels=32,
  width=64,
  hidden=128,
  blocks=1,
  heads=4,
  momentum=0.9,
  samples=synthetic.SAMPLES,
  length=synthetic.LENGTH,
  time_masks=1,
  frequency_masks=0,  # One mask hides too much for short training.
  data='utterances',
)
VARIANTS = {
  'librispeech_conformer': LibriSpeechConformer(),
  'librispeech_conformer/attention_temperature': LibriSpeechConformer(
    temperature=1.6
  ),
  'librispeech_conformer/layernorm': LibriSpeechConformer(block_norm=False),
  'librispeech_conformer/gelu': LibriSpeechConformer(activation='gelu'),
  'librispeech_conformer/mini': MINI,
  'librispeech_conformer/mini_attention_temperature': dataclasses.replace(
    MINI, temperature=1.6
  ),
  'librispeech_conformer/mini_gelu': dataclasses.replace(
    MINI, activation='gelu'
  ),
}
