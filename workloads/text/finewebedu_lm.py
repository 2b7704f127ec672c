"""A decoder language model on FineWeb-Edu, as AlgoPerf trains it.

Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, with
RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467), rotary positions (Su et
al. 2021, arXiv:2104.09864), normalized queries and keys (Henry et al. 2020,
arXiv:2010.04245) and gated linear units (Dauphin et al. 2017,
arXiv:1612.08083). Data: the 10-billion-token sample of FineWeb-Edu (Penedo et
al. 2024, arXiv:2406.17557) in tokens of GPT-2, nine documents in ten to train;
documents one after another, cut into pieces. There is no test split: it is
empty, and has no metrics.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from workloads.text import reader, synthetic_text
from workloads.workload import Model, Workload

ROPE_THETA = 500_000.0
EPSILON = 1e-6  # Of every norm.


class Decoder(nn.Module):
  """Pre-norm blocks; the output layer is the table of embeddings.

  The fields say what FineWebEduLM's say.
  """

  vocab: int
  width: int
  layers: int
  heads: int
  init_std: float
  dtype: str

  @nn.compact
  def __call__(self, tokens):  # [B, S]
    table = nn.Embed(
      self.vocab,
      self.width,
      dtype=self.dtype,
      embedding_init=nn.initializers.normal(self.init_std),
      name='embedding',
    )
    x = table(tokens)  # [B, S, D]
    shared = (self.layers, self.init_std, self.dtype)
    for _ in range(self.layers):
      x += Attention(self.heads, *shared)(self._norm(x))
      x += GatedMLP(*shared)(self._norm(x))
    return table.attend(self._norm(x))  # [B, S, V]

  def _norm(self, x):
    return nn.RMSNorm(epsilon=EPSILON, dtype=self.dtype)(x)


class Attention(nn.Module):
  """Causal attention by the angle between queries and keys."""

  heads: int
  layers: int
  init_std: float
  dtype: str

  @nn.compact
  def __call__(self, x):  # [B, S, D]
    length, width = x.shape[1:]

    def project(name):  # [B, S, H, E]
      shape = (self.heads, width // self.heads)
      return _dense(shape, self.init_std, self.dtype, name)(x)

    # As published, the scale is stored in the precision of the computation:
    # in bfloat16 numbers near 20 are 1/8 apart, so small steps do not move it.
    scale = self.param('attn_scale', _attn_scale, length, self.dtype)
    query = _unit(rotate(project('query'))) * scale.astype(self.dtype)
    key, value = _unit(rotate(project('key'))), project('value')
    mixed = causal_attention(query, key, value)
    std = _residual_std(self.init_std, self.layers)
    return _dense(width, std, self.dtype, 'out', axis=(-2, -1))(mixed)


class GatedMLP(nn.Module):
  """Gated linear unit of four times the width."""

  layers: int
  init_std: float
  dtype: str

  @nn.compact
  def __call__(self, x):  # [B, S, D]
    width = x.shape[-1]
    hidden = _dense(8 * width, self.init_std, self.dtype, 'in')(x)
    std = _residual_std(self.init_std, self.layers)
    # Gated: the first half times the sigmoid of the second.
    return _dense(width, std, self.dtype, 'out')(nn.glu(hidden))


def rotate(x):  # [B, S, H, E]
  """Turns the pairs of channels (2i, 2i + 1) by position * theta**(-2i / E).

  Channels leave in another order, first of all pairs before second of all
  pairs: products of queries and keys that were both turned do not change.
  """
  length, channels = x.shape[1], x.shape[3]
  speeds = ROPE_THETA ** -(jnp.arange(0, channels, 2) / channels)
  angles = (jnp.arange(length)[:, None] * speeds[None])[None, :, None]
  cos, sin = jnp.cos(angles), jnp.sin(angles)  # [1, S, 1, E/2]
  pairs = x.astype(jnp.float32)
  first, second = pairs[..., 0::2], pairs[..., 1::2]  # [B, S, H, E/2]
  turned = [first * cos - second * sin, first * sin + second * cos]
  return jnp.concatenate(turned, axis=-1).astype(x.dtype)


def causal_attention(query, key, value):  # Each [B, S, H, E].
  """Softmax of the products, without the usual division by a root.

  A GPU has a kernel for it that does not store the products; it knows 16-bit
  numbers only.
  """
  fused = query.dtype == jnp.bfloat16 and jax.default_backend() == 'gpu'
  return jax.nn.dot_product_attention(
    query,
    key,
    value,
    scale=1.0,
    is_causal=True,
    implementation='cudnn' if fused else 'xla',
  )


@dataclasses.dataclass(frozen=True)
class FineWebEduLM(Workload):
  """Cross-entropy per token; the metrics are its mean and exponential.

  Batch: 'inputs' and 'targets' [B, S] int32, the same tokens one apart.
  """

  vocab: int = 50_257
  width: int = 1024
  layers: int = 12
  heads: int = 8
  length: int = 1024  # Tokens in a piece, S.
  init_std: float = 0.02  # Of all weights, less where a block ends.
  dtype: str = 'bfloat16'  # Of the computation; parameters are float32.
  data: str = 'finewebedu'  # Or 'grammar', generated.

  loss_kind = 'softmax'

  @property
  def _net(self) -> Decoder:
    return Decoder(
      self.vocab,
      self.width,
      self.layers,
      self.heads,
      self.init_std,
      self.dtype,
    )

  def source(self, split, data_dir):
    if self.data == 'grammar':
      return synthetic_text.source(split, self.length)
    return reader.source('finewebedu_lm', split, data_dir)

  def fake_batch(self, key, batch_size):
    shape = (batch_size, self.length + 1)
    tokens = jax.random.randint(key, shape, 0, self.vocab)
    return {
      'inputs': tokens[:, :-1],
      'targets': tokens[:, 1:],
      'weights': jnp.ones(batch_size),
    }

  def init(self, key):
    tokens = jnp.zeros((1, self.length), jnp.int32)
    return Model(self._net.init(key, tokens)['params'])

  def forward(self, model, batch, key, dropout, frozen=False):
    del key, dropout  # Published without.
    return self.predict(model, batch), model.state

  def predict(self, model, batch):
    return self._net.apply({'params': model.params}, batch['inputs'])

  def losses(self, outputs, batch, label_smoothing):
    # In float32, where AlgoPerf sums the terms of training in bfloat16.
    logits = outputs.astype(jnp.float32)  # [B, S, V]
    right = jnp.take_along_axis(logits, batch['targets'][..., None], axis=-1)
    wanted = (1 - label_smoothing) * right[..., 0]
    wanted += label_smoothing * logits.mean(axis=-1)
    terms = nn.logsumexp(logits, axis=-1) - wanted  # [B, S]
    losses = terms.sum(axis=-1)  # [B]
    return losses, jnp.full_like(losses, terms.shape[1])

  def eval_stats(self, model, batch):
    losses, tokens = self.losses(self.predict(model, batch), batch, 0.0)
    return {'loss': losses, 'tokens': tokens}

  def summarize(self, stats):
    total, tokens = (
      stats[name].sum(dtype=np.float64) for name in ('loss', 'tokens')
    )
    loss = float(total / tokens)
    with np.errstate(over='ignore'):  # A diverged model's may be infinite.
      return {'loss': loss, 'ppl': float(np.exp(loss))}


def _attn_scale(key, length: int, dtype: str):
  """About the least scale that lets one of `length` keys win a softmax."""
  del key  # Not random.
  return jnp.asarray(math.log2(length**2 - length), dtype)


def _unit(x):
  return x / (jnp.linalg.norm(x, axis=-1, keepdims=True) + EPSILON)


def _dense(features, std: float, dtype: str, name: str, axis=-1):
  return nn.DenseGeneral(
    features,
    axis,
    use_bias=False,
    dtype=dtype,
    kernel_init=nn.initializers.normal(std),
    name=name,
  )


def _residual_std(std: float, layers: int) -> float:
  """Smaller where a block ends, so that depth does not add variance."""
  return std / math.sqrt(2 * layers)


VARIANTS = {
  'finewebedu_lm': FineWebEduLM(),
  'finewebedu_lm/mini': FineWebEduLM(
    vocab=synthetic_text.VOCAB,
    width=64,
    layers=2,
    heads=2,
    length=96,
    init_std=0.08,  # With the width, the published variance of activations.
    dtype='float32',
    data='grammar',
  ),
}
