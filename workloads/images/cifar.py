"""ResNet-18 on CIFAR-10, a development workload outside the leaderboards.

He et al. 2016, "Deep Residual Learning for Image Recognition",
arXiv:1512.03385, with a 3x3 stem that keeps the image's size. Data: CIFAR-10
(Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images"),
45,000 images to train, 5,000 to validate and 10,000 to test.
"""

import dataclasses

from workloads.images import classification, resnet, small_images, synthetic
from workloads.workload import Workload

CHANNELS = 3
TRAIN = 9 / 10  # Share of published training images; the rest validates.
SHIFT = 2  # Maximum shift in each direction, in pixels.
MEAN = (0.49139968, 0.48215827, 0.44653124)
STD = (0.24703233, 0.24348505, 0.26158768)


@dataclasses.dataclass(frozen=True)
class Cifar(Workload):
  """Softmax cross-entropy; the metric is the accuracy.

  The model has no dropout and ignores the rate.
  """

  blocks: tuple[int, ...] = (2, 2, 2, 2)  # Blocks per stage.
  widths: tuple[int, ...] = (64, 128, 256, 512)  # Channels per stage.
  activation: str = 'relu'
  image_size: int = 32
  classes: int = 10
  data: str = 'cifar10'  # Or 'drawings' (generated).
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)

  loss_kind = 'softmax'

  @property
  def _net(self) -> resnet.ResNet:
    return resnet.ResNet(
      stem='small',
      block='basic',
      blocks=self.blocks,
      widths=self.widths,
      classes=self.classes,
      activation=self.activation,
      last_scale=0.0,
    )

  def source(self, split, data_dir):
    if self.data == 'drawings':
      return synthetic.source(
        split,
        self.image_size,
        CHANNELS,
        self.classes,
        mess=0.5,
        task=1,
        world=self.world,
      )
    return small_images.source(
      'cifar',
      split,
      data_dir,
      train=TRAIN,
      mean=MEAN,
      std=STD,
      augment=small_images.shift_and_flip(SHIFT),
    )

  def fake_batch(self, key, batch_size):
    return classification.fake_batch(
      key, batch_size, self.image_size, CHANNELS, self.classes
    )

  def init(self, key):
    return resnet.init(self._net, key, self.image_size, CHANNELS)

  def forward(self, model, batch, key, dropout, frozen=False):
    del key, dropout  # The published model has no dropout.
    if frozen:
      return self.predict(model, batch), model.state
    return resnet.forward(self._net, model, batch)

  def losses(self, outputs, batch, label_smoothing):
    return classification.losses(outputs, batch, label_smoothing)

  def predict(self, model, batch):
    return resnet.evaluate(self._net, model, batch)

  def eval_stats(self, model, batch):
    return classification.statistics(self.predict(model, batch), batch)

  def summarize(self, stats):
    return classification.summarize(stats)


VARIANTS = {
  'cifar': Cifar(),
  'cifar/mini': Cifar(
    blocks=(1, 1, 1, 1), widths=(8, 16, 32, 64), data='drawings'
  ),
}
