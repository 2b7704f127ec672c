"""Translation from German to English with a Transformer.

Bojar et al. 2017, "Findings of the 2017 Conference on Machine Translation";
sizes and initial values as in AlgoPerf (Dahl et al. 2023, arXiv:2306.07179).
Data: 5.9 million German-English pairs of WMT17 to train, several per row;
WMT14's newstest2013 to validate and newstest2014 to test, one pair per row.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from workloads import aux_dropout as auxiliary, data
from workloads.data import DataError, pieces
from workloads.text import beam, bleu, lexicon, packing, synthetic_pairs
from workloads.text.transformer import Block, Transformer
from workloads.workload import Model, Workload

EOS = 2
SIDES = ('inputs', 'targets')


@dataclasses.dataclass(frozen=True)
class WMT(Workload):
  """Cross-entropy per target token; the metric is BLEU of a beam search.

  Batch: 'inputs' and 'targets' [B, L] int32. A row may have several sentences:
  '..._position' [B, L] int32 counts tokens from zero in each sentence, and
  '..._segmentation' [B, L] int32 numbers the sentences from one. All arrays are
  zero on padding.
  """

  vocab: int = 32_000  # Pieces, shared by both languages.
  width: int = 1024
  layers: int = 6  # Layers of the encoder, and of the decoder.
  heads: int = 16
  hidden: int = 1024  # Hidden units of a perceptron.
  length: int = 256  # Tokens per row, L.
  activation: str = 'relu'
  glu: bool = False  # Gated perceptrons.
  post_norm: bool = False  # Norms follow the sums; no norm ends a stack.
  temperature: float = 1.0  # Factor on the queries' inputs.
  aux_dropout: float | None = None  # Rate for attention probabilities.
  data: str = 'wmt17'  # Or 'languages' (generated).
  quirks: tuple[str, ...] = ()
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)
  # Text of the pieces. No compiled code depends on this field.
  pieces: tuple[str, ...] = dataclasses.field(
    default=(), compare=False, repr=False
  )

  loss_kind = 'softmax'
  QUIRKS: ClassVar[dict[str, str]] = {
    'previous_eos_starts_segment': 'In rows with several sentences, every '
    'later sentence starts from the end of the previous sentence instead of 0.',
    'first_token_without_eos': 'Only the first token of a translation without '
    'an end is kept.',
    auxiliary.QUIRK: 'Attention probabilities have dropout 0.1; without the '
    'quirk, none.',
  }

  def _net(
    self, dropout: float = 0.0, attention_dropout: float | None = None
  ) -> Transformer:
    block = Block(
      width=self.width,
      heads=self.heads,
      hidden=self.hidden,
      activation=self.activation,
      glu=self.glu,
      post_norm=self.post_norm,
      temperature=self.temperature,
      dropout=dropout,
      attention_dropout=attention_dropout,
    )
    return Transformer(self.vocab, self.layers, self.length, block)

  def source(self, split, data_dir):
    if self.data == 'languages':
      return synthetic_pairs.source(split, self.length, self.world)
    return packing.source('wmt', split, data_dir, self.length)

  def with_text(self, data_dir):
    if self.data == 'languages':
      return self
    place = data.find('wmt', data_dir)['wmt17_translate']
    return dataclasses.replace(self, pieces=pieces.text(place, self.vocab))

  def with_aux_dropout(self, rate):
    return dataclasses.replace(self, aux_dropout=rate)

  def padding(self, batch):
    return float(np.mean([np.mean(batch[side] == 0) for side in SIDES]))

  def fake_batch(self, key, batch_size):
    batch = {'weights': jnp.ones(batch_size)}
    for side, own in zip(SIDES, jax.random.split(key), strict=True):
      tokens, lengths = jax.random.split(own)
      shape = (batch_size, self.length)
      end = jax.random.randint(lengths, (batch_size, 1), 1, self.length)
      position = jnp.arange(self.length)[None]  # [1, L]
      ids = jax.random.randint(tokens, shape, EOS + 1, self.vocab)
      ids = jnp.where(position == end, EOS, ids)
      real = position <= end  # [B, L]
      batch |= {
        side: ids * real,
        f'{side}_position': position * real,
        f'{side}_segmentation': real.astype(jnp.int32),
      }
    return batch

  def init(self, key):
    batch = self.fake_batch(key, 1)
    return Model(self._net().init(key, batch, batch['targets'])['params'])

  def forward(self, model, batch, key, dropout, frozen=False):
    of_attention = auxiliary.rate(self.aux_dropout, self.quirks)
    logits = self._net(dropout, of_attention).apply(
      {'params': model.params},
      batch,
      self._shifted(batch),
      rngs={'dropout': key},
    )
    return logits, model.state

  def _shifted(self, batch):
    """Return the decoder's inputs: targets shifted by one, 0 at each start.

    A zero position marks the start of a sentence or padding.
    """
    before = jnp.pad(batch['targets'][:, :-1], ((0, 0), (1, 0)))
    if 'previous_eos_starts_segment' in self.quirks:
      return before
    return jnp.where(batch['targets_position'] > 0, before, 0)

  def losses(self, outputs, batch, label_smoothing):
    targets = batch['targets']
    right = jnp.take_along_axis(outputs, targets[..., None], axis=-1)[..., 0]
    wanted = (1 - label_smoothing) * right
    wanted += label_smoothing * outputs.mean(axis=-1)
    real = (targets > 0).astype(outputs.dtype)  # [B, L]
    terms = (nn.logsumexp(outputs, axis=-1) - wanted) * real
    return terms.sum(axis=1), real.sum(axis=1)

  def predict(self, model, batch) -> Any:
    return self._net().apply(
      {'params': model.params}, batch, self._shifted(batch)
    )

  def eval_stats(self, model, batch):
    logits = self.predict(model, batch)
    losses, tokens = self.losses(logits, batch, 0.0)
    targets = batch['targets']
    right = (logits.argmax(axis=-1) == targets) & (targets > 0)
    return {
      'loss': losses,
      'tokens': tokens,
      'right': right.sum(axis=1),
      'hypothesis': self._translated(model.params, batch),
      'reference': targets,
    }

  def _translated(self, params, batch):
    """Return translations [B, L - 1] of rows with one sentence each."""
    net = self._net()

    def run(method, *arguments) -> Any:
      return net.apply({'params': params}, *arguments, method=method)

    encoded = run('encode', batch)
    # All beams of an example share one memory, [B, 1, ...].
    memory = jax.tree.map(lambda x: x[:, None], run('remember', encoded))
    cross = (batch['inputs'] > 0)[:, None, None]  # [B, 1, 1, S]

    def step(tokens, position, cache):  # [B, K]
      own = (jnp.arange(self.length) <= position)[None, None, None]
      logits, cache = run(
        'decode',
        tokens[..., None],
        jnp.full_like(tokens, position)[..., None],
        memory,
        (own, cross),
        cache,
        position,
      )
      return logits[:, :, 0], cache

    cache = net.empty_cache((len(encoded),))
    return beam.search(step, cache, self.length, eos=EOS)

  def summarize(self, stats):
    texts = lexicon.pieces() if self.data == 'languages' else self.pieces
    if not texts:
      raise DataError(
        'BLEU needs the text of SentencePiece pieces, stored with the data of '
        f'{self.data}: use workload.with_text(data_dir).summarize(stats).'
      )
    loss, right, tokens = (
      stats[name].sum(dtype=np.float64) for name in ('loss', 'right', 'tokens')
    )
    first_only = 'first_token_without_eos' in self.quirks
    hypotheses = [
      bleu.text(bleu.sentence(ids, EOS, first_only), texts)
      for ids in stats['hypothesis']
    ]
    references = [
      bleu.text(bleu.sentence(ids, EOS), texts) for ids in stats['reference']
    ]
    return {
      'loss': float(loss / tokens),
      'accuracy': float(right / tokens),
      'bleu': bleu.corpus_bleu(hypotheses, references),
    }


MINI = WMT(
  vocab=lexicon.VOCAB,
  width=64,
  layers=2,
  heads=4,
  hidden=128,
  length=20,
  data='languages',
)
VARIANTS = {
  'wmt': WMT(),
  'wmt/post_ln': WMT(post_norm=True),
  'wmt/attention_temp': WMT(temperature=4.0),
  'wmt/glu_tanh': WMT(activation='tanh', glu=True),
  'wmt/mini': MINI,
  'wmt/mini_post_ln': dataclasses.replace(MINI, post_norm=True),
  'wmt/mini_glu_tanh': dataclasses.replace(MINI, activation='tanh', glu=True),
}
