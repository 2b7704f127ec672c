"""Photographs of any size, cropped and scaled to the size of a classifier.

The crops are AlgoPerf's (Dahl et al. 2023, arXiv:2306.07179). Training uses a
random box of random proportions (Szegedy et al. 2015, arXiv:1409.4842),
mirrored with probability 1/2; evaluation uses the central square. Bicubic
interpolation without smoothing (Keys 1981) scales a box: every new pixel
depends on 16 old ones.
"""

import functools
import io
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.sparse
from PIL import Image

from workloads import data
from workloads.data.records import Records
from workloads.data.streams import Row, Stored
from workloads.images.classification import Mixup
from workloads.workload import Array, Packing

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
AREA, ASPECT, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
COVERED = 0.1  # Minimum share of the image; a smaller box is drawn again.
MIDDLE = 224 / 256  # Side of the evaluated square / shorter side of the image.
KEYS = -0.5  # Slope of the interpolation kernel at distance 1.
SPLITS = {
  'train': ('imagenet2012', 'train'),
  'validation': ('imagenet2012', 'validation'),
  'test': ('imagenet_v2', 'test'),
}

# augment(image [S, S, 3] uint8, rng) = image [S, S, 3] uint8.
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Box(NamedTuple):
  """Rectangle in an image, in pixels."""

  top: int
  left: int
  height: int
  width: int


class Decoder(NamedTuple):
  """Conversion of an ImageNet record to a row of a batch."""

  size: int  # Height and width of the result, in pixels.
  augment: Augment | None = None  # Augmentation of training images.
  raw: bool = False  # Leaves augmented images as bytes.

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
        pixels = self.augment(whole, rng)
    return {
      'inputs': pixels
      if self.raw
      else normalized(np.asarray(pixels, np.float32)),
      'targets': np.array(record['label'], np.int32),
    }


def source(
  workload: str,
  split: str,
  data_dir: str | None,
  size: int,
  augment: Augment | None = None,
  mixup: Mixup | None = None,
) -> Stored:
  """Return a split of ImageNet; the test split is ImageNet-v2.

  Args:
    workload: Name of the workload.
    split: 'train', 'validation' or 'test'.
    data_dir: Folder of all datasets.
    size: Height and width of images, in pixels.
    augment: Augmentation of training images.
    mixup: Mixing of training batches; requires `augment`.

  Raises:
    DataError: The data are missing, or have changed since their preparation.
  """
  dataset, theirs = SPLITS[split]
  records = Records(data.find(workload, data_dir)[dataset], theirs)
  if mixup is None:
    return Stored(records, Decoder(size, augment))
  # Pixels without augmentation are interpolated and not rounded: no bytes.
  raw = Stored(records, Decoder(size, augment, raw=True), mixup.with_share)
  packing = Packing(raw, functools.partial(mixup.later, scale=normalized_later))
  return Stored(records, Decoder(size, augment), mixup.now, packing=packing)


def decoded(content: bytes) -> np.ndarray:
  """Decode an image of any colour mode to RGB pixels [H, W, 3] uint8."""
  return np.asarray(Image.open(io.BytesIO(content)).convert('RGB'))


def normalized(pixels: np.ndarray) -> np.ndarray:
  """Normalize pixels [S, S, 3] float32 to about N(0, 1) in each colour."""
  # Rows are flattened: numpy is slow over a last axis of three.
  rows = pixels.reshape(len(pixels), -1) - np.tile(MEAN, pixels.shape[1])
  rows *= np.tile(1 / STD, pixels.shape[1])
  return rows.reshape(pixels.shape)


def normalized_later(pixels: Array) -> Array:
  """Return what `normalized` returns, bit for bit, in a compiled program.

  Args:
    pixels: [B, S, S, 3] uint8.
  """
  return (pixels.astype(jnp.float32) - MEAN.reshape(1, 1, 1, -1)) * (
    (1 / STD).reshape(1, 1, 1, -1)
  )


def part(height: int, width: int, rng: np.random.Generator) -> Box:
  """Draw a random box; return the middle if ten tries fail.

  The proportions are uniform between 3:4 and 4:3. The height is uniform between
  the heights at which the box covers 8 % and 100 % of the image, or as much as
  fits. A box below 10 % is drawn again. A box as large as the image also
  returns the middle. A smaller box never gets the last possible position: this
  reproduces TensorFlow's sample_distorted_bounding_box, which AlgoPerf calls.

  Args:
    height: Height of the image, in pixels.
    width: Width of the image, in pixels.
    rng: Source of random numbers.
  """
  for _ in range(TRIES):
    aspect = rng.uniform(*ASPECT)
    low, high = (round((s * height * width / aspect) ** 0.5) for s in AREA)
    high = min(high, height, int((width + 0.5) / aspect))
    tall = int(rng.integers(min(low, high), high + 1))
    if tall * round(tall * aspect) < AREA[0] * height * width:
      tall += 1  # The height was rounded down; matters only for tiny images.
    wide = round(tall * aspect)
    if (tall, wide) == (height, width):
      break
    fits = tall <= height and wide <= width
    if fits and tall * wide >= COVERED * height * width:
      top = int(rng.integers(max(1, height - tall)))
      return Box(top, int(rng.integers(max(1, width - wide))), tall, wide)
  return middle(height, width)


def middle(height: int, width: int) -> Box:
  """Return the central square, 7/8 as long as the shorter side."""
  side = int(MIDDLE * min(height, width))
  return Box((height - side + 1) // 2, (width - side + 1) // 2, side, side)


def scaled(image: np.ndarray, box: Box, size: int) -> np.ndarray:
  """Scale a box of an image to [size, size, 3] float32.

  Args:
    image: [H, W, 3] uint8.
    box: Part of the image.
    size: New height and width, in pixels.
  """
  cut = image[box.top :, box.left :][: box.height, : box.width]
  rows = bicubic(box.height, size) @ cut.reshape(box.height, -1)
  rows = rows.reshape(size, box.width, 3).swapaxes(0, 1)  # [W, size, 3]
  columns = bicubic(box.width, size) @ rows.reshape(box.width, -1)
  return columns.reshape(size, size, 3).swapaxes(0, 1)


@functools.lru_cache(maxsize=4096)  # About 10 kB per entry.
def bicubic(length: int, size: int) -> scipy.sparse.csr_array:
  """Return the weights [size, length] of old pixels in new pixels.

  The centres of pixels are at 0.5, 1.5, ... Weights of pixels outside the image
  are left out, and the others are divided by their sum.
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
