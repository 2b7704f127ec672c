"""Sources of published images that all fit into memory.

Training moves and mirrors them as it draws them, each by random numbers of its
own, so that a batch depends on nothing but its place in the stream.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from workloads import data
from workloads.batches import stream
from workloads.images import arrays

Rows = dict[str, np.ndarray]
# Of images [B, S, S, C] uint8 and numbers [B, NUMBERS] between 0 and 1.
Augment = Callable[[np.ndarray, np.ndarray], np.ndarray]
NUMBERS = 3
BLOCK = 4096  # Positions whose numbers are drawn at once.


class Pixels(NamedTuple):
  """A source of images, scaled when they are drawn."""

  images: np.ndarray  # [N, S, S, C] uint8.
  targets: np.ndarray  # [N] int32.
  mean: tuple[float, ...]  # Of every channel, of values from 0 to 1.
  std: tuple[float, ...]
  augment: Augment | None = None  # Of uint8, for training.
  ahead = 0

  def __len__(self) -> int:
    return len(self.targets)

  def __getitem__(self, indices) -> Rows:  # pyrefly: ignore
    return self._rows(self.images[indices], indices)

  def draw(self, seed: int, first: int, count: int) -> Rows:
    """As workload.Drawn."""
    indices = stream(len(self), seed, first, count)
    images = self.images[indices]
    if self.augment is not None:
      images = self.augment(images, numbers(seed, first, count))
    return self._rows(images, indices)

  def _rows(self, images: np.ndarray, indices) -> Rows:
    mean, std = np.array(self.mean), np.array(self.std)
    inputs = images * np.float32(1 / 255 / std)
    inputs -= np.float32(mean / std)
    return {'inputs': inputs, 'targets': self.targets[indices]}


def numbers(seed: int, first: int, count: int) -> np.ndarray:
  """Random numbers [count, NUMBERS] of positions of a stream."""
  start, end = first // BLOCK, (first + count - 1) // BLOCK
  blocks = [_block(seed, number) for number in range(start, end + 1)]
  skip = first - start * BLOCK
  return np.concatenate(blocks)[skip : skip + count]


@functools.lru_cache(maxsize=4)
def _block(seed: int, number: int) -> np.ndarray:
  # Not the state that permutes the stream's epoch of that number.
  return np.random.default_rng([seed, number, 1]).random((BLOCK, NUMBERS))


def shift_and_flip(by: int) -> Augment:
  """Moves images by up to so many pixels, black follows, and mirrors half."""

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
  """A split of a prepared dataset.

  Args:
    workload: Whose dataset.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    train: Share of the published training examples, the first ones, that train;
      the others validate.
    mean: Of every channel, of values from 0 to 1.
    std: The same.
    augment: Of training images.

  Raises:
    ValueError: the dataset is not there, or not as it was prepared.
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
  """By TFDS's split; a trial asks for three of its own, and looks once."""
  [place] = data.find(workload, data_dir).values()
  return {split: arrays.load(place, split) for split in ('train', 'test')}
