"""AlgoPerf's decoder language model on FineWeb-Edu.

Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, with
RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467), rotary positions (Su et
al. 2021, arXiv:2104.09864), normalized queries and keys (Henry et al. 2020,
arXiv:2010.04245) and gated linear units (Dauphin et al. 2017,
arXiv:1612.08083). Data: the 10-billion-token sample of FineWeb-Edu (Penedo et
al. 2024, arXiv:2406.17557) in GPT-2's tokens. 90 % of the documents train. The
joined documents are cut into sequences. The test split is empty and has no
metrics.
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
EPSILON = 1e-6  # Added in every norm.


class Decoder(nn.Module):
  """Pre-norm blocks; the embedding table is also the output layer.

  The fields mean the same as in FineWebEduLM.
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
  """Causal attention with normalized queries and keys."""

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

    # The published model stores the scale in the precision of the computation.
    # bfloat16 numbers near 20 are 1/8 apart: small steps do not change a scale.
    scale = self.param('attn_scale', _attn_scale, length, self.dtype)
    query = _unit(rotate(project('query'))) * scale.astype(self.dtype)
    key, value = _unit(rotate(project('key'))), project('value')
    mixed = causal_attention(query, key, value)
    std = _residual_std(self.init_std, self.layers)
    return _dense(width, std, self.dtype, 'out', axis=(-2, -1))(mixed)


class GatedMLP(nn.Module):
  """Gated linear unit with four times the width."""

  layers: int
  init_std: float
  dtype: str

  @nn.compact
  def __call__(self, x):  # [B, S, D]
    width = x.shape[-1]
    hidden = _dense(8 * width, self.init_std, self.dtype, 'in')(x)
    std = _residual_std(self.init_std, self.layers)
    return _dense(width, std, self.dtype, 'out')(nn.glu(hidden))


def rotate(x):  # [B, S, H, E]
  """Rotate channel pairs (2i, 2i + 1) by position * theta**(-2i / E).

  The result has another order of channels: the first of all pairs, then the
  second of all pairs. Products of rotated queries and keys are the same in
  either order.
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
  """Return causal softmax attention without the division by a square root.

  On GPUs a cuDNN kernel computes bfloat16 attention without storing all
  products.

  Args:
    query: [B, S, H, E].
    key: [B, S, H, E].
    value: [B, S, H, E].
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
  """Cross-entropy per token; the metrics are the mean loss and perplexity.

  Batch: 'inputs' and 'targets' [B, S] int32; targets are the next tokens.
  """

  vocab: int = 50_257
  width: int = 1024
  layers: int = 12
  heads: int = 8
  length: int = 1024  # Tokens per sequence, S.
  init_std: float = 0.02  # Initial weights; smaller at the end of a block.
  dtype: str = 'bfloat16'  # Computation; parameters are float32.
  data: str = 'finewebedu'  # Or 'grammar' (generated).
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)

  loss_kind = 'softmax'

  @property
  def _net(self) -> Decoder:
    return Decoder(
      vocab=self.vocab,
      width=self.width,
      layers=self.layers,
      heads=self.heads,
      init_std=self.init_std,
      dtype=self.dtype,
    )

  def source(self, split, data_dir):
    if self.data == 'grammar':
      return synthetic_text.source(split, self.length, self.world)
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
    del key, dropout  # The published model has no dropout.
    return self.predict(model, batch), model.state

  def predict(self, model, batch):
    return self._net.apply({'params': model.params}, batch['inputs'])

  def losses(self, outputs, batch, label_smoothing):
    # float32 is more exact than AlgoPerf's sums, in bfloat16 during training.
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
    with np.errstate(over='ignore'):  # Diverged models have infinite values.
      return {'loss': loss, 'ppl': float(np.exp(loss))}


def _attn_scale(key, length: int, dtype: str):
  """Return about the smallest scale at which one of `length` keys can win."""
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
  """Return a smaller deviation for block ends: depth adds no variance."""
  return std / math.sqrt(2 * layers)


VARIANTS = {
  'finewebedu_lm': FineWebEduLM(),
  'finewebedu_lm/mini': FineWebEduLM(
    vocab=synthetic_text.VOCAB,
    width=64,
    layers=2,
    heads=2,
    length=96,
    init_std=0.08,  # Keeps the published variance of activations.
    dtype='float32',
    data='grammar',
  ),
}
