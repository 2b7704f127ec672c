"""Speech recognition on LibriSpeech with DeepSpeech.

Amodei et al. 2015, "Deep Speech 2: End-to-End Speech Recognition in English and
Mandarin", arXiv:1512.02595; sizes, residual connections and initial values as
in AlgoPerf (Dahl et al. 2023, arXiv:2306.07179). Data: 960 hours of read books,
in utterances of at most 20 s (Panayotov et al. 2015, "Librispeech").
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn

from workloads import aux_dropout as auxiliary
from workloads.dropout import Dropout
from workloads.speech import forward as recognition, speech, synthetic
from workloads.workload import Workload

GATES = 4  # An LSTM's input, forget, candidate and output.
FIXED_DROPOUT = 0.1  # Rate of the quirk 'fixed_dropout'.


class DeepSpeech(nn.Module):
  """Convolutions, recurrent layers and feed-forward layers.

  The fields mean the same as in LibriSpeechDeepSpeech.
  """

  channels: int
  width: int
  recurrent: int
  feed_forward: int
  vocab: int
  activation: str
  residual: bool
  layer_norm: bool
  momentum: float
  fixed_dropout: bool
  input_dropout: float | None  # Same as other layers if None.

  @nn.compact
  def __call__(self, features, paddings, *, train, dropout, frozen=False):
    """Return logits [B, T/4, V], paddings [B, T/4] of [B, T, F], [B, T]."""
    moving = train and not frozen
    subsample = speech.Subsample(self.channels, self.width, self.activation)
    x, paddings = subsample(features, paddings)  # [B, T/4, D], [B, T/4]
    first = dropout if self.input_dropout is None else self.input_dropout
    x = Dropout(first, deterministic=not train)(x)
    for _ in range(self.recurrent):
      branch = self._norm(x, paddings, moving)
      branch = BidirectionalLSTM(self.width // 2)(branch, paddings)
      x = x + branch if self.residual else branch
    rate = FIXED_DROPOUT if self.fixed_dropout and self.residual else dropout
    for _ in range(self.feed_forward):
      branch = _dense(self.width)(self._norm(x, paddings, moving))
      branch = getattr(nn, self.activation)(branch) * speech.mask(paddings)
      branch = Dropout(rate, deterministic=not train)(branch)
      x = x + branch if self.residual else branch
    if not self.layer_norm:
      x = speech.LayerNorm()(x)
    return _dense(self.vocab, name='head')(x), paddings

  def _norm(self, x, paddings, train):
    if self.layer_norm:
      return speech.LayerNorm()(x)
    return speech.BatchNorm(self.momentum)(x, paddings, train=train)


class BidirectionalLSTM(nn.Module):
  """Long short-term memory, one forwards and one backwards.

  Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"; Graves and
  Schmidhuber 2005. The backward direction starts at the last frame that is not
  padding.
  """

  width: int  # Width of each direction, H.

  @nn.compact
  def __call__(self, x, paddings):  # [B, T, D], [B, T]
    size = x.shape[-1]
    inputs = self._kernels('input', nn.initializers.lecun_normal(), size)
    recurrent = self._kernels(
      'recurrent', nn.initializers.orthogonal(), self.width
    )
    zeros = nn.initializers.zeros
    biases = [
      self.param(f'bias_{n}', zeros, (self.width,)) for n in range(2 * GATES)
    ]

    def direction(x, gates):
      bias = jnp.concatenate(biases[gates])  # [4H]
      sums = x @ jnp.concatenate(inputs[gates], axis=1) + bias[None, None]
      return lstm(sums, jnp.concatenate(recurrent[gates], axis=1))

    sizes = (1 - paddings).sum(axis=1).astype(jnp.int32)  # [B]
    forwards = direction(x, slice(GATES))
    backwards = direction(flip(x, sizes), slice(GATES, None))
    return jnp.concatenate([forwards, flip(backwards, sizes)], axis=-1)

  def _kernels(self, name: str, init, size: int) -> list:
    """Return kernels [size, H] of all gates, forwards, then backwards.

    One vectorized draw compiles several times faster than single draws.
    """
    shape = (2 * GATES, size, self.width)
    drawn = jnp.zeros(shape)  # Outside of init only the shape matters.
    if self.is_initializing():
      keys = jax.random.split(self.make_rng('params'), 2 * GATES)
      drawn = jax.vmap(lambda key: init(key, shape[1:]))(keys)
    return [
      self.param(f'{name}_{n}', lambda key, n=n: drawn[n])
      for n in range(2 * GATES)
    ]


def lstm(inputs, recurrent):  # [B, T, 4H], [H, 4H]
  """Return the outputs [B, T, H] of an LSTM cell with zero initial state.

  Args:
    inputs: Contribution of every frame to the gates input, forget, candidate
      and output, before their activations, [B, T, 4H].
    recurrent: Kernel from the output to the next frame's gates, [H, 4H].
  """

  def step(carry, gates):  # [B, 4H]
    cell, output = carry  # [B, H]
    gates = gates + output @ recurrent
    into, keep, candidate, out = jnp.split(gates, GATES, axis=-1)
    cell = nn.sigmoid(keep) * cell + nn.sigmoid(into) * jnp.tanh(candidate)
    output = nn.sigmoid(out) * jnp.tanh(cell)
    return (cell, output), output

  zeros = jnp.zeros((len(inputs), len(recurrent)), inputs.dtype)
  _, outputs = jax.lax.scan(step, (zeros, zeros), inputs.swapaxes(0, 1))
  return outputs.swapaxes(0, 1)


def flip(x, sizes):  # [B, T, D], [B]
  """Reverse the first `sizes` frames and, separately, the padding."""
  total = x.shape[1]
  order = (total - 1 - jnp.arange(total)[None] + sizes[:, None]) % total
  return jnp.take_along_axis(x, order[..., None], axis=1)


@dataclasses.dataclass(frozen=True)
class LibriSpeechDeepSpeech(Workload):
  """CTC loss per piece; the metrics are this loss and the word error rate.

  Batch: see speech.py.
  """

  channels: int = 512  # Channels of the convolutions.
  width: int = 512  # Width of other layers; half for each LSTM direction.
  recurrent: int = 6  # Number of recurrent layers.
  feed_forward: int = 3  # Number of feed-forward layers.
  vocab: int = 1024  # Word pieces, including the blank.
  samples: int = 320_000  # Samples of the longest waveform (20 s), S.
  length: int = 256  # Pieces of the longest transcript, L.
  time_masks: int = 10  # Masks of SpecAugment.
  frequency_masks: int = 2
  activation: str = 'relu'
  residual: bool = True  # Recurrent and feed-forward layers are residual.
  layer_norm: bool = False  # Replaces batch norm; no norm before the head.
  momentum: float = 0.999  # Momentum of batch norm's running statistics.
  aux_dropout: float | None = None  # Rate for inputs; None: same rate.
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
    'fixed_dropout': ('Residual feed-forward layers always have dropout 0.1.'),
    auxiliary.QUIRK: 'Inputs always have dropout 0.1.',
  }

  @property
  def _net(self) -> DeepSpeech:
    return DeepSpeech(
      channels=self.channels,
      width=self.width,
      recurrent=self.recurrent,
      feed_forward=self.feed_forward,
      vocab=self.vocab,
      activation=self.activation,
      residual=self.residual,
      layer_norm=self.layer_norm,
      momentum=self.momentum,
      fixed_dropout='fixed_dropout' in self.quirks,
      input_dropout=auxiliary.rate(self.aux_dropout, self.quirks),
    )

  def source(self, split, data_dir):
    if self.data == 'utterances':
      return synthetic.source(split, self.world)
    return speech.published(
      'librispeech_deepspeech', split, data_dir, self.samples, self.length
    )

  def with_text(self, data_dir):
    if self.data == 'utterances':
      return self
    texts = speech.text('librispeech_deepspeech', data_dir, self.vocab)
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


def _dense(features: int, name: str | None = None) -> nn.Dense:
  return nn.Dense(features, kernel_init=speech.XAVIER, name=name)


MINI = LibriSpeechDeepSpeech(
  channels=8,
  width=128,
  recurrent=2,
  feed_forward=1,
  vocab=len(synthetic.PIECES),
  samples=synthetic.SAMPLES,
  length=synthetic.LENGTH,
  time_masks=2,  # Fewer masks for short utterances and short training.
  frequency_masks=1,
  momentum=0.95,  # Suits hundreds of steps instead of ten thousands.
  data='utterances',
)

VARIANTS = {
  'librispeech_deepspeech': LibriSpeechDeepSpeech(),
  'librispeech_deepspeech/tanh': LibriSpeechDeepSpeech(activation='tanh'),
  'librispeech_deepspeech/no_resnet': LibriSpeechDeepSpeech(residual=False),
  'librispeech_deepspeech/norm_and_spec_aug': LibriSpeechDeepSpeech(
    layer_norm=True, time_masks=15, frequency_masks=4
  ),
  'librispeech_deepspeech/mini': MINI,
  'librispeech_deepspeech/mini_tanh': dataclasses.replace(
    MINI, activation='tanh'
  ),
  'librispeech_deepspeech/mini_norm_and_spec_aug': dataclasses.replace(
    MINI, layer_norm=True, time_masks=3, frequency_masks=2
  ),
}
