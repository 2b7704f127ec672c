"""Click prediction on the Criteo 1TB logs with DLRM-small.

Naumov et al. 2019, "Deep Learning Recommendation Model for Personalization and
Recommendation Systems", arXiv:1906.00091; sizes and initial values as in
AlgoPerf (Dahl et al. 2023, arXiv:2306.07179). Data: 24 days of logs. The first
23 days train; the last day's first 95 million lines test, the others validate.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from workloads.clicks import reader, synthetic
from workloads.dropout import Dropout
from workloads.workload import Model, Workload

DENSE = 13
FIELDS = 26

# Glorot and Bengio 2010, with a normal distribution that is not truncated.
GLOROT_NORMAL = nn.initializers.variance_scaling(1.0, 'fan_avg', 'normal')
GLOROT_UNIFORM = nn.initializers.glorot_uniform()


class DLRM(nn.Module):
  """Two perceptrons with an embedding table between them.

  The fields mean the same as in Criteo1TB.
  """

  vocab: int
  embed_dim: int
  embed_scale: float
  bottom: tuple[int, ...]
  top: tuple[int, ...]
  layer_norm: bool
  residual: bool

  @nn.compact
  def __call__(self, inputs, *, train, dropout):  # [B, 39]
    h = inputs[:, :DENSE]
    for n, width in enumerate(self.bottom):
      branch = self._layer(h, width, GLOROT_UNIFORM)
      h = h + branch if self.residual and n else branch  # [B, W]
    embedded = self._embedded(inputs[:, DENSE:])  # [B, 26, E]
    if self.residual:
      features = embedded.reshape(len(inputs), -1)
    else:
      features = interactions(jnp.concatenate([h[:, None], embedded], axis=1))
    h = jnp.concatenate([h, features], axis=1)
    for n, width in enumerate(self.top):
      branch = self._layer(h, width, GLOROT_NORMAL)
      if n == len(self.top) - 1:
        branch = Dropout(dropout, deterministic=not train)(branch)
      h = h + branch if self.residual and n else branch  # [B, W]
    return _dense(1, GLOROT_NORMAL, name='head')(h)[:, 0]  # [B]

  def _embedded(self, ids):  # [B, 26]
    """Return embeddings [B, 26, E] from one table that all fields share."""
    shape = (self.vocab, self.embed_dim)
    scale = nn.initializers.uniform(self.embed_scale)  # Range [0, embed_scale).
    table = self.param('embedding', scale, shape)
    embedded = table[ids.astype(jnp.int32) % self.vocab]  # [B, 26, E]
    return nn.LayerNorm()(embedded) if self.layer_norm else embedded

  def _layer(self, h, width, kernel_init):
    h = nn.relu(_dense(width, kernel_init)(h))  # [B, W]
    return nn.LayerNorm()(h) if self.layer_norm else h


def interactions(features):  # [B, F, E]
  """Return dot products [B, F(F+1)/2] of all feature pairs and squares."""
  products = jnp.einsum('bfe,bge->bfg', features, features)
  rows, columns = np.triu_indices(features.shape[1])
  return products[:, rows, columns]


@dataclasses.dataclass(frozen=True)
class Criteo1TB(Workload):
  """Binary cross-entropy per log line; the metric is the same loss.

  Batch: 'inputs' [B, 39] float32, the logarithms of 13 counts and then 26 ids.
  Ids as float32 are exact only below 2**24, as in AlgoPerf's data. Stored rows
  (row_format.py) have exact ids.
  """

  vocab: int = 2**22  # Rows of the embedding table.
  embed_dim: int = 128
  embed_scale: float = 2.0**-11  # 1 / sqrt(published vocab).
  bottom: tuple[int, ...] = (512, 256, 128)  # Widths below the interactions.
  top: tuple[int, ...] = (1024, 1024, 512, 256)  # Widths above them.
  layer_norm: bool = False  # Norms after every ReLU and on the embeddings.
  residual: bool = False  # Residual layers, and no interactions.
  data: str = 'criteo1tb'  # Or 'clicks' (generated).
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)

  loss_kind = 'sigmoid'

  @property
  def _net(self) -> DLRM:
    return DLRM(
      vocab=self.vocab,
      embed_dim=self.embed_dim,
      embed_scale=self.embed_scale,
      bottom=self.bottom,
      top=self.top,
      layer_norm=self.layer_norm,
      residual=self.residual,
    )

  def source(self, split, data_dir):
    if self.data == 'clicks':
      return synthetic.source(split, self.world)
    return reader.source('criteo1tb', split, data_dir)

  def fake_batch(self, key, batch_size):
    counts, ids, label = jax.random.split(key, 3)
    dense = jax.random.exponential(counts, (batch_size, DENSE))
    shape = (batch_size, FIELDS)
    ids = jax.random.randint(ids, shape, 0, min(self.vocab, 2**24))
    clicked = jax.random.bernoulli(label, shape=(batch_size,))
    return {
      'inputs': jnp.concatenate([dense, ids.astype(dense.dtype)], axis=1),
      'targets': clicked.astype(jnp.float32),
      'weights': jnp.ones(batch_size),
    }

  def init(self, key):
    lines = jnp.zeros((1, DENSE + FIELDS))
    return Model(self._net.init(key, lines, train=False, dropout=0.0)['params'])

  def forward(self, model, batch, key, dropout, frozen=False):
    logits = self._net.apply(
      {'params': model.params},
      batch['inputs'],
      train=True,
      dropout=dropout,
      rngs={'dropout': key},
    )
    return logits, model.state

  def losses(self, outputs, batch, label_smoothing):
    del label_smoothing  # AlgoPerf ignores label smoothing here.
    losses = optax.sigmoid_binary_cross_entropy(outputs, batch['targets'])
    return losses, jnp.ones_like(losses)  # [B]

  def predict(self, model, batch):
    return self._net.apply(
      {'params': model.params}, batch['inputs'], train=False, dropout=0.0
    )

  def eval_stats(self, model, batch):
    logits = self.predict(model, batch)
    return {'loss': self.losses(logits, batch, 0.0)[0]}

  def summarize(self, stats):
    return {'loss': float(stats['loss'].mean(dtype=np.float64))}


def _dense(width: int, kernel_init, name: str | None = None) -> nn.Dense:
  """Return a dense layer with random biases, N(0, 1 / width)."""
  bias_init = nn.initializers.normal(width**-0.5)
  return nn.Dense(
    width, kernel_init=kernel_init, bias_init=bias_init, name=name
  )


MINI = Criteo1TB(
  vocab=synthetic.VOCAB,
  embed_dim=32,
  embed_scale=synthetic.VOCAB**-0.5,
  bottom=(256, 128, 32),
  top=(512, 512, 256, 128),
  data='clicks',
)
VARIANTS = {
  'criteo1tb': Criteo1TB(),
  'criteo1tb/layernorm': Criteo1TB(layer_norm=True),
  'criteo1tb/resnet': Criteo1TB(
    residual=True, bottom=(256,) * 3, top=(256,) * 4
  ),
  'criteo1tb/embed_init': Criteo1TB(embed_scale=1.0),
  'criteo1tb/test': Criteo1TB(vocab=2**16, embed_scale=2.0**-8),
  'criteo1tb/mini': MINI,
  'criteo1tb/mini_layernorm': dataclasses.replace(MINI, layer_norm=True),
}
