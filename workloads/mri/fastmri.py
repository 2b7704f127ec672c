"""Image reconstruction on the fastMRI knee scans with a U-Net.

Ronneberger et al. 2015, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", arXiv:1505.04597; sizes as in Zbontar et al. 2018, "fastMRI: An
Open Dataset and Benchmarks for Accelerated MRI", arXiv:1811.08839, and in
AlgoPerf (Dahl et al. 2023, arXiv:2306.07179). Data: single-coil scans of knees
with a quarter of their measurements; a slice is an example. The volumes of the
published training set train. The first 100 volumes of the published validation
set validate, and the other 99 test.
"""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from workloads.dropout import Dropout
from workloads.mri import kspace, reader, synthetic
from workloads.mri.ssim import ssim
from workloads.workload import Model, Workload

ACTIVATIONS = {
  'leaky_relu': functools.partial(nn.leaky_relu, negative_slope=0.2),
  'tanh': nn.tanh,
}
SPACE = (1, 2)  # Axes of height and width.


class UNet(nn.Module):
  """Convolution blocks at decreasing, then at increasing resolution.

  Every block of the second half also receives the output of the block with the
  same resolution in the first half. The fields mean the same as in FastMRI.
  """

  channels: int
  levels: int
  activation: str
  layer_norm: bool

  @nn.compact
  def __call__(self, images, *, train, dropout):  # [B, H, W]
    def block(x, width):
      layer = ConvBlock(width, self.activation, self.layer_norm)
      return layer(x, train=train, dropout=dropout)

    widths = [self.channels * 2**n for n in range(self.levels)]
    x, skips = images[..., None], []  # [B, H, W, 1]
    for width in widths:
      x = block(x, width)
      skips.append(x)
      x = nn.avg_pool(x, (2, 2), strides=(2, 2))
    x = block(x, 2 * widths[-1])
    for width, skip in zip(widths[::-1], skips[::-1], strict=True):
      x = TransposeConvBlock(width, self.activation)(x)
      x = jnp.concatenate([_like(skip, x), skip], axis=-1)
      x = block(x, width)
    return nn.Conv(1, (1, 1), name='head')(x)[..., 0]  # [B, H, W]


class ConvBlock(nn.Module):
  """Two layers of convolution, norm, activation and channel dropout."""

  width: int
  activation: str
  layer_norm: bool

  @nn.compact
  def __call__(self, x, *, train, dropout):  # [B, H, W, C]
    for _ in range(2):
      x = nn.Conv(self.width, (3, 3), use_bias=False)(x)
      if self.layer_norm:  # Whole-image statistics, one scale per channel.
        x = nn.LayerNorm(reduction_axes=(*SPACE, 3))(x)
      else:
        x = _instance_norm()(x)
      x = ACTIVATIONS[self.activation](x)
      x = Dropout(dropout, SPACE, deterministic=not train)(x)
    return x


class TransposeConvBlock(nn.Module):
  """Transposed convolution that doubles height and width."""

  width: int
  activation: str

  @nn.compact
  def __call__(self, x):  # [B, H, W, C]
    x = nn.ConvTranspose(self.width, (2, 2), (2, 2), use_bias=False)(x)
    return ACTIVATIONS[self.activation](_instance_norm()(x))


@dataclasses.dataclass(frozen=True)
class FastMRI(Workload):
  """Absolute error per pixel; the metrics are this loss and SSIM.

  Batch: 'inputs' and 'targets' [B, S, S] float32, images with and without
  artefacts, normalized by the mean and standard deviation of the input; 'mean'
  and 'std' [B] of the input, which restore the unit of the scanner; and
  'volume_max' [B], the largest value of the slice's volume.
  """

  channels: int = 32  # Channels of the finest level; doubled at every level.
  levels: int = 4  # Number of times the resolution is halved.
  activation: str = 'leaky_relu'  # Or 'tanh'.
  layer_norm: bool = False  # Norm over whole images; else per channel.
  size: int = 320  # Height and width of an image, S.
  data: str = 'fastmri'  # Or 'phantoms' (generated).
  quirks: tuple[str, ...] = ()
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)

  loss_kind = 'absolute'
  QUIRKS: ClassVar[dict[str, str]] = {
    'no_dropout': 'The dropout rate is ignored: the blocks have no dropout.'
  }

  @property
  def _net(self) -> UNet:
    return UNet(self.channels, self.levels, self.activation, self.layer_norm)

  def source(self, split, data_dir):
    if self.data == 'phantoms':
      return synthetic.source(split, self.size, self.world)
    return reader.source('fastmri', split, data_dir)

  def fake_batch(self, key, batch_size):
    image, noise = jax.random.split(key)
    shape = (batch_size, self.size, self.size)
    target = jax.random.normal(image, shape)
    inputs = target + 0.5 * jax.random.normal(noise, shape)
    limit = kspace.CLIP
    return {
      'inputs': jnp.clip(inputs, -limit, limit),
      'targets': jnp.clip(target, -limit, limit),
      'mean': jnp.full(batch_size, 2.0),
      'std': jnp.ones(batch_size),
      'volume_max': jnp.full(batch_size, 8.0),
      'weights': jnp.ones(batch_size),
    }

  def init(self, key):
    images = jnp.zeros((1, self.size, self.size))
    return Model(
      self._net.init(key, images, train=False, dropout=0.0)['params']
    )

  def forward(self, model, batch, key, dropout, frozen=False):
    images = self._net.apply(
      {'params': model.params},
      batch['inputs'],
      train=True,
      dropout=0.0 if 'no_dropout' in self.quirks else dropout,
      rngs={'dropout': key},
    )
    return images, model.state

  def losses(self, outputs, batch, label_smoothing):
    del label_smoothing  # Targets are images, not labels.
    losses = jnp.abs(outputs - batch['targets']).mean(axis=SPACE)  # [B]
    return losses, jnp.ones_like(losses)

  def predict(self, model, batch):
    return self._net.apply(
      {'params': model.params}, batch['inputs'], train=False, dropout=0.0
    )

  def eval_stats(self, model, batch):
    images = self.predict(model, batch)
    mean, std = batch['mean'][:, None, None], batch['std'][:, None, None]
    reference = batch['targets'] * std + mean
    return {
      'loss': self.losses(images, batch, 0.0)[0],
      'ssim': ssim(images * std + mean, reference, batch['volume_max']),
    }

  def summarize(self, stats):
    return {
      name: float(values.mean(dtype=np.float64))
      for name, values in stats.items()
    }


def _instance_norm() -> nn.InstanceNorm:
  return nn.InstanceNorm(use_bias=False, use_scale=False, epsilon=1e-5)


def _like(skip, x):  # [B, H, W, C]
  """Pad x by reflection to the height and width of `skip`, if those are odd."""
  rows, columns = (skip.shape[a] - x.shape[a] for a in SPACE)
  return jnp.pad(x, ((0, 0), (0, rows), (0, columns), (0, 0)), 'reflect')


MINI = FastMRI(channels=8, levels=3, size=48, data='phantoms')
VARIANTS = {
  'fastmri': FastMRI(),
  'fastmri/model_size': FastMRI(channels=64, levels=3),
  'fastmri/tanh': FastMRI(activation='tanh'),
  'fastmri/layernorm': FastMRI(layer_norm=True),
  'fastmri/mini': MINI,
  'fastmri/mini_tanh': dataclasses.replace(MINI, activation='tanh'),
  'fastmri/mini_layernorm': dataclasses.replace(MINI, layer_norm=True),
}
