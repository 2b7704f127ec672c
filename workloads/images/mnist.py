"""A perceptron on MNIST, a development workload outside the leaderboards.

Data: handwritten digits (LeCun et al. 1998, "Gradient-Based Learning Applied to
Document Recognition"), 50,000 images to train, 10,000 each to validate and
test.
"""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import linen as nn

from workloads.images import classification, small_images, synthetic
from workloads.workload import Model, Workload

CHANNELS = 1
TRAIN = 5 / 6  # Share of published training images; the rest validates.
MEAN, STD = 0.1307, 0.3081


class Perceptron(nn.Module):
  """Perceptron with one hidden layer; the fields mean the same as in Mnist."""

  width: int
  activation: str
  classes: int

  @nn.compact
  def __call__(self, x):  # [B, S, S, 1]
    x = x.reshape(len(x), -1)  # [B, S*S]
    x = getattr(nn, self.activation)(nn.Dense(self.width)(x))  # [B, W]
    return nn.Dense(self.classes, name='head')(x)  # [B, K]


@dataclasses.dataclass(frozen=True)
class Mnist(Workload):
  """Softmax cross-entropy; the metric is the accuracy.

  The model has no dropout and ignores the rate.
  """

  width: int = 128  # Units of the hidden layer.
  activation: str = 'sigmoid'
  image_size: int = 28
  classes: int = 10
  data: str = 'mnist'  # Or 'drawings' (generated).
  quirks: tuple[str, ...] = ()
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)

  QUIRKS: ClassVar[dict[str, str]] = {
    'raw_pixels': (
      'Pixels from 0 to 255 are normalized as if they were from 0 to 1.'
    ),
  }
  loss_kind = 'softmax'

  @property
  def _net(self) -> Perceptron:
    return Perceptron(self.width, self.activation, self.classes)

  def source(self, split, data_dir):
    if self.data == 'drawings':
      # Less mess: a perceptron cannot find a figure in any position.
      return synthetic.source(
        split,
        self.image_size,
        CHANNELS,
        self.classes,
        mess=0.35,
        world=self.world,
      )
    unit = 255 if 'raw_pixels' in self.quirks else 1
    mean, std = (MEAN / unit,), (STD / unit,)
    return small_images.source(
      'mnist', split, data_dir, train=TRAIN, mean=mean, std=std
    )

  def fake_batch(self, key, batch_size):
    return classification.fake_batch(
      key, batch_size, self.image_size, CHANNELS, self.classes
    )

  def init(self, key):
    image = jnp.zeros((1, self.image_size, self.image_size, CHANNELS))
    return Model(self._net.init(key, image)['params'])

  def forward(self, model, batch, key, dropout, frozen=False):
    del key, dropout  # The published model has no dropout.
    return self.predict(model, batch), model.state

  def losses(self, outputs, batch, label_smoothing):
    return classification.losses(outputs, batch, label_smoothing)

  def predict(self, model, batch) -> Any:
    return self._net.apply({'params': model.params}, batch['inputs'])

  def eval_stats(self, model, batch):
    return classification.statistics(self.predict(model, batch), batch)

  def summarize(self, stats):
    return classification.summarize(stats)


VARIANTS = {
  'mnist': Mnist(),
  'mnist/mini': Mnist(data='drawings'),
}
