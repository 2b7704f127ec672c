"""AlgoPerf's ViT-S/16 on ImageNet.

Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", arXiv:2010.11929, in
the version of Beyer et al. 2022, "Better plain ViT baselines for ImageNet-1k",
arXiv:2205.01580: fixed positions, and the mean over all tokens instead of a
class token. The data are those of imagenet_resnet. Training adds RandAugment
(Cubuk et al. 2020, arXiv:1909.13719) and mixup (Zhang et al. 2018,
arXiv:1710.09412).
"""

import dataclasses
import functools
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from workloads.dropout import Dropout
from workloads.images import classification, synthetic
from workloads.workload import Model, Workload

CHANNELS = 3
MIXUP = 0.2
XAVIER = nn.initializers.xavier_uniform()


class ViT(nn.Module):
  """Patches, positions, blocks, pooling to one vector, and a head.

  The fields mean the same as in ImageNetViT.
  """

  patch: int
  width: int
  layers: int
  heads: int
  classes: int
  post_ln: bool
  glu: bool
  pool: str

  @nn.compact
  def __call__(self, x, *, train, dropout):  # [B, S, S, 3]
    patch = (self.patch, self.patch)
    x = nn.Conv(self.width, patch, patch, 'VALID')(x)  # [B, H, W, D]
    batch, height, columns, width = x.shape
    x = x.reshape(batch, height * columns, width)  # [B, T, D]
    x += positions(height, columns, width)
    x = Dropout(dropout, deterministic=not train)(x)
    for _ in range(self.layers):
      x = Block(self.heads, self.post_ln, self.glu, dropout)(x, train=train)
    if not self.post_ln:
      x = nn.LayerNorm()(x)
    x = AttentionPool(self.heads)(x) if self.pool == 'map' else x.mean(axis=1)
    x = nn.tanh(nn.Dense(self.width)(x))  # [B, D]
    zeros = nn.initializers.zeros
    return nn.Dense(self.classes, kernel_init=zeros, name='head')(x)  # [B, K]


class Block(nn.Module):
  """Attention and a perceptron, each with a norm before or after."""

  heads: int
  post_ln: bool
  glu: bool
  dropout: float

  @nn.compact
  def __call__(self, x, *, train):  # [B, T, D]
    branches = [_attention(self.heads), MLP(self.glu, self.dropout, train)]
    for branch in branches:
      norm = nn.LayerNorm()
      y = branch(x if self.post_ln else norm(x))
      x += Dropout(self.dropout, deterministic=not train)(y)
      x = norm(x) if self.post_ln else x
    return x


class MLP(nn.Module):
  """Perceptron with four times the width, applied to every token.

  With `glu`, as in the published model, the gate is computed from the activated
  hidden layer, not from the input as in Shazeer 2020, arXiv:2002.05202.
  """

  glu: bool = False
  dropout: float = 0.0
  train: bool = False

  @nn.compact
  def __call__(self, x) -> Any:  # [B, T, D]
    width = x.shape[-1]
    hidden = nn.gelu(_dense(4 * width)(x))  # [B, T, 4D]
    if self.glu:
      hidden *= _dense(4 * width)(hidden)
    hidden = Dropout(self.dropout, deterministic=not self.train)(hidden)
    return _dense(width)(hidden)


class AttentionPool(nn.Module):
  """Attention of one learned query to all tokens, without dropout.

  Lee et al. 2019, arXiv:1810.00825.
  """

  heads: int

  @nn.compact
  def __call__(self, x):  # [B, T, D]
    probe = self.param('probe', XAVIER, (1, 1, x.shape[-1]))
    probe = jnp.broadcast_to(probe, (len(x), 1, x.shape[-1]))
    x = _attention(self.heads)(probe, x)  # [B, 1, D]
    x += MLP()(nn.LayerNorm()(x))
    return x[:, 0]  # [B, D]


def positions(height: int, columns: int, width: int) -> np.ndarray:
  """Return position embeddings [1, height * columns, width] float32.

  The four quarters of the channels are sin and cos of the column, and sin and
  cos of the row, each times the frequencies 10000**(-k / (width / 4 - 1)) for
  k = 0, 1, ...

  Args:
    height: Rows of patches.
    columns: Columns of patches.
    width: Channels, D.
  """
  quarter = width // 4
  frequencies = 10_000.0 ** -(np.arange(quarter) / (quarter - 1))
  y, x = np.mgrid[:height, :columns].reshape(2, -1, 1) * frequencies  # [T, D/4]
  waves = [np.sin(x), np.cos(x), np.sin(y), np.cos(y)]
  return np.concatenate(waves, axis=1)[None].astype(np.float32)


@dataclasses.dataclass(frozen=True)
class ImageNetViT(Workload):
  """Softmax cross-entropy; the metric is the top-1 accuracy.

  Dropout acts on the embedded patches, on the hidden layers of the blocks'
  perceptrons and at the end of every branch.
  """

  patch: int = 16  # Side of a patch in pixels.
  width: int = 384
  layers: int = 12
  heads: int = 6
  post_ln: bool = False  # Norms follow the sums; no norm at the end.
  glu: bool = False  # Gated perceptrons.
  pool: str = 'mean'  # Or 'map': attention of one learned query.
  image_size: int = 224
  classes: int = 1000
  data: str = 'imagenet'  # Or 'drawings' (generated).
  quirks: tuple[str, ...] = ()
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)

  QUIRKS: ClassVar[dict[str, str]] = {
    'odd_randaugment': (
      'RandAugment with two mistakes: solarize inverts every pixel, and '
      'contrast is relative to grey 196 instead of the mean.'
    ),
  }
  loss_kind = 'softmax'

  @property
  def _net(self) -> ViT:
    return ViT(
      patch=self.patch,
      width=self.width,
      layers=self.layers,
      heads=self.heads,
      classes=self.classes,
      post_ln=self.post_ln,
      glu=self.glu,
      pool=self.pool,
    )

  def source(self, split, data_dir):
    if self.data == 'drawings':
      # Less mess: a transformer must learn locality from few images.
      return synthetic.source(
        split,
        self.image_size,
        CHANNELS,
        self.classes,
        mess=0.15,
        world=self.world,
      )
    # Readers of photographs take as long to import as half of JAX.
    from workloads.images import photographs, rand_augment  # noqa: PLC0415

    odd = 'odd_randaugment' in self.quirks
    return photographs.source(
      'imagenet_vit',
      split,
      data_dir,
      self.image_size,
      augment=functools.partial(rand_augment.augment, odd=odd),
      mixup=classification.Mixup(self.classes, MIXUP),
    )

  def fake_batch(self, key, batch_size):
    return classification.fake_batch(
      key, batch_size, self.image_size, CHANNELS, self.classes
    )

  def init(self, key):
    image = jnp.zeros((1, self.image_size, self.image_size, CHANNELS))
    return Model(self._net.init(key, image, train=False, dropout=0.0)['params'])

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
    return classification.losses(outputs, batch, label_smoothing)

  def predict(self, model, batch) -> Any:
    return self._net.apply(
      {'params': model.params}, batch['inputs'], train=False, dropout=0.0
    )

  def eval_stats(self, model, batch):
    return classification.statistics(self.predict(model, batch), batch)

  def summarize(self, stats):
    return classification.summarize(stats)


def _attention(heads: int) -> nn.MultiHeadDotProductAttention:
  return nn.MultiHeadDotProductAttention(heads, kernel_init=XAVIER)


def _dense(width: int) -> nn.Dense:
  bias_init = nn.initializers.normal(1e-6)
  return nn.Dense(width, kernel_init=XAVIER, bias_init=bias_init)


MINI = ImageNetViT(
  patch=8,
  width=48,
  layers=2,
  heads=4,
  image_size=32,
  classes=20,
  data='drawings',
)
VARIANTS = {
  'imagenet_vit': ImageNetViT(),
  'imagenet_vit/glu': ImageNetViT(glu=True),
  'imagenet_vit/post_ln': ImageNetViT(post_ln=True),
  'imagenet_vit/map': ImageNetViT(pool='map'),
  'imagenet_vit/mini': MINI,
  'imagenet_vit/mini_glu': dataclasses.replace(MINI, glu=True),
  'imagenet_vit/mini_post_ln': dataclasses.replace(MINI, post_ln=True),
  'imagenet_vit/mini_map': dataclasses.replace(MINI, pool='map'),
}
