"""AlgoPerf's ResNet-50 on ImageNet.

He et al. 2016, "Deep Residual Learning for Image Recognition",
arXiv:1512.03385; the version with the stride in the 3x3 convolutions. Every
branch starts at zero (Goyal et al. 2017, arXiv:1706.02677). Data: ImageNet
(Russakovsky et al. 2015, arXiv:1409.0575), 1,281,167 images to train and
50,000 to validate; the test set is ImageNet-v2 (Recht et al. 2019,
arXiv:1902.10811), matched frequency, with 10,000 images.
"""

import dataclasses

from workloads.images import classification, resnet, synthetic
from workloads.workload import Workload

CHANNELS = 3


@dataclasses.dataclass(frozen=True)
class ImageNetResNet(Workload):
  """Softmax cross-entropy; the metric is the top-1 accuracy.

  Batch norm in training uses the statistics of the whole batch, over all
  devices. The model has no dropout and ignores the rate.
  """

  blocks: tuple[int, ...] = (3, 4, 6, 3)  # Blocks per stage.
  widths: tuple[int, ...] = (64, 128, 256, 512)  # A quarter of the channels.
  activation: str = 'relu'  # Or 'silu' or 'gelu'.
  last_scale: float = 0.0  # Initial scale of each branch's last batch norm.
  image_size: int = 224
  classes: int = 1000
  data: str = 'imagenet'  # Or 'drawings' (generated).
  # World of generated data. No compiled code depends on this field.
  world: int = dataclasses.field(default=0, compare=False)

  loss_kind = 'softmax'

  @property
  def _net(self) -> resnet.ResNet:
    return resnet.ResNet(
      stem='large',
      block='bottleneck',
      blocks=self.blocks,
      widths=self.widths,
      classes=self.classes,
      activation=self.activation,
      last_scale=self.last_scale,
    )

  def source(self, split, data_dir):
    if self.data == 'drawings':
      return synthetic.source(
        split,
        self.image_size,
        CHANNELS,
        self.classes,
        mess=0.6,
        world=self.world,
      )
    # Readers of photographs take as long to import as half of JAX.
    from workloads.images import photographs  # noqa: PLC0415

    return photographs.source(
      'imagenet_resnet', split, data_dir, self.image_size
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


MINI = ImageNetResNet(
  blocks=(1, 1, 1, 1),
  widths=(16, 24, 32, 48),
  image_size=32,
  classes=20,
  data='drawings',
)
VARIANTS = {
  'imagenet_resnet': ImageNetResNet(),
  'imagenet_resnet/silu': ImageNetResNet(activation='silu'),
  'imagenet_resnet/gelu': ImageNetResNet(activation='gelu'),
  'imagenet_resnet/large_bn_init': ImageNetResNet(last_scale=8.0),
  'imagenet_resnet/mini': MINI,
  'imagenet_resnet/mini_silu': dataclasses.replace(MINI, activation='silu'),
  'imagenet_resnet/mini_large_bn_init': dataclasses.replace(
    MINI, last_scale=8.0
  ),
}
