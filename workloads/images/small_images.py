"""Sources of published images that fit into memory.

Training shifts and mirrors images when it draws them. The random numbers of an
image depend only on its position in the stream.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from workloads import data
from workloads.batches import stream
from workloads.images import arrays, classification
from workloads.workload import Batch, Packing

Rows = dict[str, np.ndarray]
# augment(images [B, S, S, C] uint8, numbers [B, NUMBERS] in [0, 1)) = images.
Augment = Callable[[np.ndarray, np.ndarray], np.ndarray]
NUMBERS = 3  # Random numbers per position.
BLOCK = 4096  # Positions whose random numbers are drawn together.


class Pixels(NamedTuple):
  """A source of images, normalized when they are drawn."""

  images: np.ndarray  # [N, S, S, C] uint8.
  targets: np.ndarray  # [N] int32.
  mean: tuple[float, ...]  # Mean of every channel, with values from 0 to 1.
  std: tuple[float, ...]  # Standard deviation of every channel.
  augment: Augment | None = None  # Augmentation of training images.
  raw: bool = False  # Leaves images as bytes.
  ahead = 0

  @property
  def packing(self) -> Packing:
    """See workload.Packed."""
    # Not _replace, which asks for the number of fields by `len`.
    fields = (self.images, self.targets, self.mean, self.std, self.augment)
    return Packing(Pixels(*fields, raw=True), self._unpack)

  def __len__(self) -> int:
    return len(self.targets)

  def __getitem__(self, indices) -> Rows:  # pyrefly: ignore
    return self._rows(self.images[indices], indices)

  def draw(self, seed: int, first: int, count: int) -> Rows:
    """See workload.Drawn."""
    indices = stream(len(self), seed, first, count)
    images = self.images[indices]
    if self.augment is not None:
      images = self.augment(images, numbers(seed, first, count))
    return self._rows(images, indices)

  def _rows(self, images: np.ndarray, indices) -> Rows:
    inputs = images
    if not self.raw:
      factor, offset = self._scale()
      inputs = images * factor
      inputs -= offset
    return {'inputs': inputs, 'targets': self.targets[indices]}

  def _unpack(self, batch: Batch) -> Batch:
    factor, offset = (x.reshape(1, 1, 1, -1) for x in self._scale())
    pixels = batch['inputs'].astype(jnp.float32) * factor  # [B, S, S, C]
    pixels = classification.rounded(pixels, batch['weights']) - offset
    return {**batch, 'inputs': pixels}

  def _scale(self) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor and the offset [C] float32 of every channel."""
    mean, std = np.array(self.mean), np.array(self.std)
    return (1 / 255 / std).astype(np.float32), (mean / std).astype(np.float32)


def numbers(seed: int, first: int, count: int) -> np.ndarray:
  """Return the random numbers [count, NUMBERS] of positions in a stream.

  Args:
    seed: Seed of the stream.
    first: First position.
    count: Number of positions.
  """
  start, end = first // BLOCK, (first + count - 1) // BLOCK
  blocks = [_block(seed, number) for number in range(start, end + 1)]
  skip = first - start * BLOCK
  return np.concatenate(blocks)[skip : skip + count]


@functools.lru_cache(maxsize=4)
def _block(seed: int, number: int) -> np.ndarray:
  # The 1 separates this seed from that of an epoch's permutation.
  return np.random.default_rng([seed, number, 1]).random((BLOCK, NUMBERS))


def shift_and_flip(by: int) -> Augment:
  """Return an augmentation: shift by up to `by` pixels, mirror half.

  Shifted images get black borders.
  """

  def augment(images, drawn):
    size = images.shape[1]
    draws = (drawn[:, :2] * (2 * by + 1)).astype(int)
    flips = drawn[:, 2] < 0.5
    padded = np.pad(images, ((0, 0), (by, by), (by, by), (0, 0)))
    span = np.arange(size)
    rows = draws[:, :1] + span  # [B, S]
    columns = np.where(flips[:, None], span[::-1], span) + draws[:, 1:]
    which = np.arange(len(images))[:, None, None]
    return padded[which, rows[:, :, None], columns[:, None, :]]

  return augment


def source(
  workload: str,
  split: str,
  data_dir: str | None,
  train: float,
  mean: tuple[float, ...],
  std: tuple[float, ...],
  augment: Augment | None = None,
) -> Pixels:
  """Return a split of a prepared dataset.

  Args:
    workload: Name of the workload.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    train: Share of the published training examples that train, from the first
      on; the others validate.
    mean: Mean of every channel, with values from 0 to 1.
    std: Standard deviation of every channel, with values from 0 to 1.
    augment: Augmentation of training images.

  Raises:
    ValueError: The dataset is missing, or has changed since its preparation.
  """
  splits = _published(workload, data_dir)
  pixels, targets = splits['test' if split == 'test' else 'train']
  cut = round(train * len(targets))
  part = {
    'train': slice(cut), 'validation': slice(cut, None), 'test': slice(None)
  }[split]  # fmt: skip
  moving = augment if split == 'train' else None
  return Pixels(pixels[part], targets[part], mean, std, moving)


@functools.cache
def _published(
  workload: str, data_dir: str | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Return TFDS's splits by name; cached, since a trial needs three splits."""
  [place] = data.find(workload, data_dir).values()
  return {split: arrays.load(place, split) for split in ('train', 'test')}
