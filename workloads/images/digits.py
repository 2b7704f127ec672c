"""Handwritten digits: a small convolutional network with batch norm.

Data: the 1,797 grey 8x8 images in scikit-learn's package (Alpaydin and Kaynak
1998, "Optical Recognition of Handwritten Digits", UCI repository), which need
no download. Fixed split: 1,197 to train, 300 to validate, 300 to test.
"""

import dataclasses
import functools
import importlib.util
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from workloads.batches import Arrays
from workloads.dropout import Dropout
from workloads.images import classification
from workloads.workload import Model, Workload

CLASSES = 10
FILE = 'datasets/data/digits.csv.gz'  # Path inside scikit-learn's package.
SPLITS = {
  'train': slice(0, 1197),
  'validation': slice(1197, 1497),
  'test': slice(1497, 1797),
}


class ConvNet(nn.Module):
  """Convolutions with batch norm, then the mean over the image and a head."""

  widths: tuple[int, ...]
  activation: str

  @nn.compact
  def __call__(self, x, *, train, dropout, frozen=False):  # [B, 8, 8, 1]
    steady = frozen or not train
    for n, width in enumerate(self.widths):
      stride = 2 if n else 1
      x = nn.Conv(width, (3, 3), stride, use_bias=False)(x)
      x = nn.BatchNorm(use_running_average=steady, momentum=0.9)(x)
      x = getattr(nn, self.activation)(x)
    x = x.mean(axis=(1, 2))  # [B, W]
    x = Dropout(dropout, deterministic=not train)(x)
    return nn.Dense(CLASSES, name='head')(x)  # [B, 10]


@dataclasses.dataclass(frozen=True)
class Digits(Workload):
  """Softmax cross-entropy; the metric is the error rate."""

  widths: tuple[int, ...] = (16, 32)
  activation: str = 'relu'

  loss_kind = 'softmax'

  @property
  def _net(self) -> ConvNet:
    return ConvNet(self.widths, self.activation)

  def source(self, split, data_dir):
    del data_dir  # The images come with scikit-learn.
    return Arrays({k: rows[SPLITS[split]] for k, rows in _images().items()})

  def fake_batch(self, key, batch_size):
    return classification.fake_batch(key, batch_size, 8, 1, CLASSES)

  def init(self, key):
    image = jnp.zeros((1, 8, 8, 1))
    variables = self._net.init(key, image, train=False, dropout=0.0)
    return Model(variables['params'], variables['batch_stats'])

  def forward(self, model, batch, key, dropout, frozen=False):
    logits, new = self._net.apply(
      {'params': model.params, 'batch_stats': model.state},
      batch['inputs'],
      train=True,
      dropout=dropout,
      frozen=frozen,
      rngs={'dropout': key},
      mutable=['batch_stats'],
    )
    return logits, new['batch_stats']

  def losses(self, outputs, batch, label_smoothing):
    return classification.losses(outputs, batch, label_smoothing)

  def predict(self, model, batch) -> Any:
    return self._net.apply(
      {'params': model.params, 'batch_stats': model.state},
      batch['inputs'],
      train=False,
      dropout=0.0,
    )

  def eval_stats(self, model, batch):
    return classification.statistics(self.predict(model, batch), batch)

  def summarize(self, stats):
    return {
      name: float(values.mean(dtype=np.float64))
      for name, values in stats.items()
    }


@functools.cache
def _images() -> dict[str, np.ndarray]:
  """Return all images, with mixed writers and pixels about N(0, 1)."""
  # The file is read directly: importing scikit-learn takes longer than
  # importing JAX, in every process that trains on digits.
  found: Any = importlib.util.find_spec('sklearn')
  [package] = found.submodule_search_locations
  rows = np.loadtxt(pathlib.Path(package) / FILE, delimiter=',')  # [N, 65]
  rows = rows[np.random.default_rng(0).permutation(len(rows))]
  pixels = (rows[:, :64].reshape(-1, 8, 8, 1) - 4.88) / 6.02
  return {
    'inputs': pixels.astype(np.float32),
    'targets': rows[:, 64].astype(np.int32),
  }


VARIANTS = {
  'digits': Digits(),
  'digits/silu': Digits(activation='silu'),
}
