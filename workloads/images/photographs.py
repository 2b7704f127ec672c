"""Photographs of any size, cut and scaled to what a classifier takes.

As AlgoPerf does (Dahl et al. 2023, arXiv:2306.07179): to train, a random part
of random proportions (Szegedy et al. 2015, arXiv:1409.4842), mirrored half of
the time; to evaluate, a square around the middle. Both are scaled by bicubic
interpolation without smoothing (Keys 1981), so that a pixel depends on 16.
"""

import functools
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse
from PIL import Image

from workloads import data
from workloads.data.records import Records
from workloads.data.streams import Mix, Row, Stored

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
AREA, ASPECT, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
COVERED = 0.1  # Share of the image below which a part is drawn again.
MIDDLE = 224 / 256  # Of the shorter side: the square that is evaluated.
KEYS = -0.5  # Slope of the interpolation's kernel at one.
SPLITS = {
  'train': ('imagenet2012', 'train'),
  'validation': ('imagenet2012', 'validation'),
  'test': ('imagenet_v2', 'test'),
}

# Of images [S, S, 3] uint8, and random numbers.
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Box(NamedTuple):
  """A part of an image, in pixels."""

  top: int
  left: int
  height: int
  width: int


class Decoder(NamedTuple):
  """From a record of ImageNet to a row of a batch."""

  size: int
  augment: Augment | None = None  # In training, of pixels.

  def __call__(self, record, rng: np.random.Generator | None) -> Row:
    image = decoded(record['image'])
    height, width = image.shape[:2]
    if rng is None:
      pixels = scaled(image, middle(height, width), self.size)
    else:
      pixels = scaled(image, part(height, width, rng), self.size)
      pixels = pixels[:, ::-1] if rng.random() < 0.5 else pixels
      if self.augment is not None:
        whole = pixels.clip(0, 255).astype(np.uint8)
        pixels = self.augment(whole, rng).astype(np.float32)
    return {
      'inputs': normalized(pixels),
      'targets': np.array(record['label'], np.int32),
    }


def source(
  workload: str,
  split: str,
  data_dir: str | None,
  size: int,
  augment: Augment | None = None,
  mix: Mix | None = None,
) -> Stored:
  """A split of ImageNet; the test is ImageNet-v2.

  Args:
    workload: Whose it is.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    size: Of images, in pixels.
    augment: Of training images.
    mix: Of training batches.

  Raises:
    DataError: the data are not there, or not as they were prepared.
  """
  dataset, theirs = SPLITS[split]
  records = Records(data.find(workload, data_dir)[dataset], theirs)
  return Stored(records, Decoder(size, augment), mix)


def decoded(content: bytes) -> np.ndarray:
  """[H, W, 3] uint8, whatever the image's colours are stored as."""
  return np.asarray(Image.open(io.BytesIO(content)).convert('RGB'))


def normalized(pixels: np.ndarray) -> np.ndarray:
  """Pixels [S, S, 3] float32, about N(0, 1) in each colour."""
  # A row at a time: numpy is slow over a last axis of three.
  rows = pixels.reshape(len(pixels), -1) - np.tile(MEAN, pixels.shape[1])
  rows *= np.tile(1 / STD, pixels.shape[1])
  return rows.reshape(pixels.shape)


def part(height: int, width: int, rng: np.random.Generator) -> Box:
  """Draw a box; the middle where ten tries give none, or the whole image.

  Proportions are uniform between 3:4 and 4:3. The box's height is uniform
  between those at which it has 8 % of the image and all of it, or no more room.
  A box of less than 10 % is drawn again. As in TensorFlow's
  sample_distorted_bounding_box, which AlgoPerf calls, the last place of a
  smaller box is never drawn.
  """
  for _ in range(TRIES):
    aspect = rng.uniform(*ASPECT)
    low, high = (round((s * height * width / aspect) ** 0.5) for s in AREA)
    high = min(high, height, int((width + 0.5) / aspect))
    tall = int(rng.integers(min(low, high), high + 1))
    if tall * round(tall * aspect) < AREA[0] * height * width:
      tall += 1  # The height was rounded down; matters to tiny images alone.
    wide = round(tall * aspect)
    if (tall, wide) == (height, width):
      break
    fits = tall <= height and wide <= width
    if fits and tall * wide >= COVERED * height * width:
      top = int(rng.integers(max(1, height - tall)))
      return Box(top, int(rng.integers(max(1, width - wide))), tall, wide)
  return middle(height, width)


def middle(height: int, width: int) -> Box:
  """The square in the middle, seven eighths as long as the shorter side."""
  side = int(MIDDLE * min(height, width))
  return Box((height - side + 1) // 2, (width - side + 1) // 2, side, side)


def scaled(image: np.ndarray, box: Box, size: int) -> np.ndarray:
  """A box of an image [H, W, 3] uint8 as [size, size, 3] float32."""
  cut = image[box.top :, box.left :][: box.height, : box.width]
  rows = bicubic(box.height, size) @ cut.reshape(box.height, -1)
  rows = rows.reshape(size, box.width, 3).swapaxes(0, 1)  # [W, size, 3]
  columns = bicubic(box.width, size) @ rows.reshape(box.width, -1)
  return columns.reshape(size, size, 3).swapaxes(0, 1)


@functools.lru_cache(maxsize=4096)  # Ten kilobytes each.
def bicubic(length: int, size: int) -> scipy.sparse.csr_array:
  """Weights [size, length] of old pixels in new ones.

  Pixels' middles lie at halves. Weights of what lies outside are left out, and
  the others are divided by their sum.
  """
  at = (np.arange(size) + 0.5) * length / size - 0.5
  taps = np.floor(at)[:, None] + np.arange(-1, 3)  # [size, 4]
  weights = _kernel(np.abs(at[:, None] - taps))
  weights *= (taps >= 0) & (taps < length)
  weights /= weights.sum(axis=1, keepdims=True)
  rows = np.repeat(np.arange(size), 4)
  columns = taps.clip(0, length - 1).astype(int).ravel()
  entries = (weights.ravel().astype(np.float32), (rows, columns))
  return scipy.sparse.csr_array(entries, shape=(size, length))


def _kernel(x: np.ndarray) -> np.ndarray:
  near = ((KEYS + 2) * x - (KEYS + 3)) * x**2 + 1
  far = KEYS * (((x - 5) * x + 8) * x - 4)
  return np.where(x <= 1, near, np.where(x < 2, far, 0))
