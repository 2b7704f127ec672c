"""Conversion of scanner measurements to a network's inputs and targets.

Magnetic resonance imaging measures the Fourier transform of an image, its
k-space. Measuring only some columns is faster and causes artefacts in the
image, which the network removes (Zbontar et al. 2018, "fastMRI: An Open Dataset
and Benchmarks for Accelerated MRI", arXiv:1811.08839). All constants are
published ones. Leading axes `...` are slices.

The transform along columns does not depend on the choice of columns. Stored
slices are therefore already transformed along their columns, and have only the
rows of the image (`halfway`): half the numbers and a third of the work.
"""

import numpy as np

ACCELERATION = 4  # Columns of the image / measured columns.
CENTRE = 0.08  # Share of central columns, which are always measured.
CLIP = 6.0  # Largest absolute value of images, in standard deviations.
AXES = (-2, -1)
ALONG_COLUMNS, ALONG_ROWS = (-2,), (-1,)


def example(
  kspace: np.ndarray,
  columns: np.ndarray,
  target: np.ndarray,
  axes: tuple[int, ...] = AXES,
) -> dict[str, np.ndarray]:
  """Return network input and target, normalized by the input's statistics.

  Args:
    kspace: All measurements, complex [..., H, W].
    columns: Columns to use, bool [..., W].
    target: Correct image [..., h, w], in the unit of the scanner.
    axes: Axes along which `kspace` must still be transformed.

  Returns:
    'inputs' and 'targets' [..., h, w]; 'mean' and 'std' [...] of the input
    before normalization; all float32.

  Raises:
    ValueError: An image has no contrast and cannot be normalized.
  """
  measured = np.where(columns[..., None, :], kspace, 0)
  image = reconstruct(measured, target.shape[-2:], axes)
  mean = image.mean(AXES, keepdims=True)
  std = image.std(AXES, keepdims=True)
  if not (std > 0).all():  # NaN fails this test, too.
    raise ValueError(f'the standard deviation of an image is {std.min()}')

  def normalized(x):
    return np.clip((x - mean) / std, -CLIP, CLIP).astype(np.float32)

  return {
    'inputs': normalized(image),
    'targets': normalized(target),
    'mean': mean[..., 0, 0].astype(np.float32),
    'std': std[..., 0, 0].astype(np.float32),
  }


def draw_columns(
  rng: np.random.Generator, slices: int, width: int
) -> np.ndarray:
  """Draw columns to use, bool [slices, width]: the centre and random ones.

  On average one in ACCELERATION columns is used. Slices differ.

  Args:
    rng: Source of random numbers.
    slices: Number of slices.
    width: Columns of a slice.
  """
  low = int(CENTRE * width)
  start = (width - low + 1) // 2
  share = (width / ACCELERATION - low) / (width - low)
  columns = rng.random((slices, width)) < share
  columns[:, start : start + low] = True
  return columns


def reconstruct(
  kspace: np.ndarray,
  shape: tuple[int, ...],
  axes: tuple[int, ...] = AXES,
) -> np.ndarray:
  """Return the magnitude [..., *shape] of the centre of the image.

  Args:
    kspace: Complex [..., H, W].
    shape: Height and width of the result.
    axes: Axes along which `kspace` must still be transformed.
  """
  return np.abs(crop(to_image(kspace, axes), shape))


def halfway(kspace: np.ndarray, height: int) -> np.ndarray:
  """Transform along columns only; return the central rows [..., height, W]."""
  rows = to_image(kspace, ALONG_COLUMNS)
  return crop(rows, (height, kspace.shape[-1]))


def to_image(kspace: np.ndarray, axes: tuple[int, ...] = AXES) -> np.ndarray:
  """Apply the orthonormal inverse transform; frequency 0 is in the centre."""
  shifted = np.fft.ifftshift(kspace, axes)
  return np.fft.fftshift(np.fft.ifftn(shifted, axes=axes, norm='ortho'), axes)


def to_kspace(image: np.ndarray) -> np.ndarray:
  """Apply the orthonormal transform, the inverse of `to_image`."""
  shifted = np.fft.ifftshift(image, AXES)
  return np.fft.fftshift(np.fft.fft2(shifted, norm='ortho'), AXES)


def crop(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """Return the centre of the last two axes, with the given shape."""
  height, width = shape
  top = (image.shape[-2] - height) // 2
  left = (image.shape[-1] - width) // 2
  return image[..., top : top + height, left : left + width]
