"""Residual networks with batch norm, shared by ResNet-18 and ResNet-50.

He et al. 2016, "Deep Residual Learning for Image Recognition",
arXiv:1512.03385, with the stride in the 3x3 convolution of a bottleneck (as in
Goyal et al. 2017, arXiv:1706.02677). Convolutions have no bias and start from
a truncated normal of variance 1 / fan-in, the default here.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from workloads.workload import Array, Batch, Key, Model, PyTree

PAD_3 = [(3, 3), (3, 3)]
PAD_1 = [(1, 1), (1, 1)]


class ResNet(nn.Module):
  """Stem, stages of residual blocks, the mean over the image, and a head.

  Attributes:
    stem: 'large' (7x7 with stride 2, pooling with stride 2) or 'small' (3x3).
    block: 'basic' or 'bottleneck'.
    blocks: Number in each stage; all stages but the first halve the image.
    widths: Channels of the 3x3 convolutions in each stage.
    classes: Width of the head, K.
    activation: Name of a function of flax.linen.
    last_scale: Initial scale of the batch norm that ends a branch.
  """

  stem: str
  block: str
  blocks: tuple[int, ...]
  widths: tuple[int, ...]
  classes: int
  activation: str
  last_scale: float

  @nn.compact
  def __call__(self, x, *, train):  # [B, S, S, C]
    act = getattr(nn, self.activation)
    if self.stem == 'large':
      x = _conv(self.widths[0], 7, 2, PAD_3)(x)  # [B, S/2, S/2, W]
      x = act(_norm(train)(x))
      x = nn.max_pool(x, (3, 3), (2, 2), PAD_1)  # [B, S/4, S/4, W]
    else:
      x = _conv(self.widths[0], 3, 1, PAD_1)(x)  # [B, S, S, W]
      x = act(_norm(train)(x))
    block = {'basic': basic, 'bottleneck': bottleneck}[self.block]
    for stage, (width, count) in enumerate(
      zip(self.widths, self.blocks, strict=True)
    ):
      for n in range(count):
        stride = 2 if stage and not n else 1
        branch = block(x, width, stride, act, train, self.last_scale)
        x = act(shortcut(x, branch.shape, stride, train) + branch)
    x = x.mean(axis=(1, 2))  # [B, W]
    start = nn.initializers.normal(0.01)
    return nn.Dense(self.classes, kernel_init=start, name='head')(x)  # [B, K]


def init(net: ResNet, key: Key, size: int, channels: int) -> Model:
  """Return initial parameters and batch statistics.

  Args:
    net: The network.
    key: Random key.
    size: Height and width of images, in pixels.
    channels: Colours.
  """
  image = jnp.zeros((1, size, size, channels))
  variables = net.init(key, image, train=False)
  return Model(variables['params'], variables['batch_stats'])


def forward(net: ResNet, model: Model, batch: Batch) -> tuple[Array, PyTree]:
  """Return logits [B, K] and the new running statistics.

  Batch norm uses the statistics of the batch.

  Args:
    net: The network.
    model: Parameters and running statistics.
    batch: 'inputs' [B, S, S, C].
  """
  logits, new = net.apply(
    {'params': model.params, 'batch_stats': model.state},
    batch['inputs'],
    train=True,
    mutable=['batch_stats'],
  )
  return logits, new['batch_stats']


def evaluate(net: ResNet, model: Model, batch: Batch) -> Any:
  """Return logits [B, K]; batch norm uses the running statistics.

  Args:
    net: The network.
    model: Parameters and running statistics.
    batch: 'inputs' [B, S, S, C].
  """
  variables = {'params': model.params, 'batch_stats': model.state}
  return net.apply(variables, batch['inputs'], train=False)


def basic(x, width, stride, act, train, last_scale):
  """Apply two 3x3 convolutions, inside a compact module.

  Args:
    x: [B, H, W, C].
    width: Output channels.
    stride: Stride of the first convolution, in pixels.
    act: Activation function.
    train: Uses batch statistics instead of running statistics.
    last_scale: Initial scale of the last batch norm.
  """
  y = act(_norm(train)(_conv(width, 3, stride)(x)))
  return _norm(train, last_scale)(_conv(width, 3)(y))


def bottleneck(x, width, stride, act, train, last_scale):
  """Apply a 3x3 convolution between two 1x1 convolutions.

  Args:
    x: [B, H, W, C].
    width: Inner channels; the output has 4 * width.
    stride: Stride of the 3x3 convolution, in pixels.
    act: Activation function.
    train: Uses batch statistics instead of running statistics.
    last_scale: Initial scale of the last batch norm.
  """
  y = act(_norm(train)(_conv(width, 1)(x)))
  y = act(_norm(train)(_conv(width, 3, stride)(y)))
  return _norm(train, last_scale)(_conv(4 * width, 1)(y))


def shortcut(x, shape, stride, train):
  """Return x, or a projection of x if the branch has another shape.

  Args:
    x: [B, H, W, C].
    shape: Shape of the branch's output.
    stride: Stride of the projection, in pixels.
    train: Uses batch statistics instead of running statistics.
  """
  if x.shape == shape:
    return x
  return _norm(train)(_conv(shape[-1], 1, stride)(x))


def _conv(width, size, stride=1, padding='SAME'):
  # 'SAME' with stride 2 pads at the end, as in the published model.
  return nn.Conv(width, (size, size), stride, padding, use_bias=False)


def _norm(train, scale=1.0):
  return nn.BatchNorm(
    use_running_average=not train,
    momentum=0.9,
    epsilon=1e-5,
    scale_init=nn.initializers.constant(scale),
  )
