"""From what a scanner measures to what a network is trained on.

Magnetic resonance imaging measures the Fourier transform of an image, its
k-space. Measuring some of the columns only is faster and leaves an image with
artefacts, which a network is to repair (Zbontar et al. 2018, "fastMRI: An Open
Dataset and Benchmarks for Accelerated MRI", arXiv:1811.08839). All numbers here
are published ones. Leading axes `...` are slices.

Choosing columns and transforming along them do not disturb each other. So what
is kept of a slice that is used again and again, with these columns or those, is
transformed along its columns already, and has no rows but those of the image
(`halfway`): that is half the numbers and a third of the work.
"""

import numpy as np

ACCELERATION = 4  # One in so many columns is measured.
CENTRE = 0.08  # Share of the columns, in the middle, that always are.
CLIP = 6.0  # Images end here, in standard deviations.
AXES = (-2, -1)
ALONG_COLUMNS, ALONG_ROWS = (-2,), (-1,)


def example(
  kspace: np.ndarray,
  columns: np.ndarray,
  target: np.ndarray,
  axes: tuple[int, ...] = AXES,
) -> dict[str, np.ndarray]:
  """Network input and target, both on the scale of the input.

  Args:
    kspace: All measurements, complex [..., H, W].
    columns: Which columns to use, bool [..., W].
    target: What to reconstruct, [..., h, w] in the unit of the image.
    axes: Those along which `kspace` is to be transformed yet.

  Returns:
    'inputs' and 'targets' [..., h, w], 'mean' and 'std' [...] of the input
    before it was normalized; float32.

  Raises:
    ValueError: an image has no contrast, so that there is no such unit.
  """
  measured = np.where(columns[..., None, :], kspace, 0)
  image = reconstruct(measured, target.shape[-2:], axes)
  mean = image.mean(AXES, keepdims=True)
  std = image.std(AXES, keepdims=True)
  if not (std > 0).all():  # Nor is it NaN.
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
  """Columns to use, bool [slices, width]: the centre and random ones.

  In the mean one in ACCELERATION; each slice has columns of its own.
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
  """Magnitude [..., *shape] of the middle of the image of k-space."""
  return np.abs(crop(to_image(kspace, axes), shape))


def halfway(kspace: np.ndarray, height: int) -> np.ndarray:
  """Complex [..., height, W]: the middle rows, only to transform ALONG_ROWS."""
  rows = to_image(kspace, ALONG_COLUMNS)
  return crop(rows, (height, kspace.shape[-1]))


def to_image(kspace: np.ndarray, axes: tuple[int, ...] = AXES) -> np.ndarray:
  """Orthonormal inverse transform; frequency zero is in the middle."""
  shifted = np.fft.ifftshift(kspace, axes)
  return np.fft.fftshift(np.fft.ifftn(shifted, axes=axes, norm='ortho'), axes)


def to_kspace(image: np.ndarray) -> np.ndarray:
  """What `to_image` inverts."""
  shifted = np.fft.ifftshift(image, AXES)
  return np.fft.fftshift(np.fft.fft2(shifted, norm='ortho'), AXES)


def crop(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """The middle of the last two axes."""
  height, width = shape
  top = (image.shape[-2] - height) // 2
  left = (image.shape[-1] - width) // 2
  return image[..., top : top + height, left : left + width]
