"""From what a scanner measures to what a network is trained on.

Magnetic resonance imaging measures the Fourier transform of an image, its
k-space. Measuring some of the columns only is faster and leaves an image with
artefacts, which a network is to repair (Zbontar et al. 2018, "fastMRI: An Open
Dataset and Benchmarks for Accelerated MRI", arXiv:1811.08839). All numbers here
are published ones. Leading axes `...` are slices.
"""

import numpy as np

ACCELERATION = 4  # One in so many columns is measured.
CENTRE = 0.08  # Share of the columns, in the middle, that always are.
CLIP = 6.0  # Images end here, in standard deviations.
AXES = (-2, -1)


def example(
  kspace: np.ndarray, columns: np.ndarray, target: np.ndarray
) -> dict[str, np.ndarray]:
  """Network input and target, both on the scale of the input.

  Args:
    kspace: All measurements, complex [..., H, W].
    columns: Which columns to use, bool [..., W].
    target: What to reconstruct, [..., h, w] in the unit of the image.

  Returns:
    'inputs' and 'targets' [..., h, w], 'mean' and 'std' [...] of the input
    before it was normalized; float32.
  """
  measured = np.where(columns[..., None, :], kspace, 0)
  image = reconstruct(measured, target.shape[-2:])
  mean = image.mean(AXES, keepdims=True)
  std = image.std(AXES, keepdims=True)

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


def reconstruct(kspace: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """Magnitude [..., *shape] of the middle of the image of k-space."""
  return np.abs(crop(to_image(kspace), shape))


def to_image(kspace: np.ndarray) -> np.ndarray:
  """Orthonormal inverse transform; frequency zero is in the middle."""
  shifted = np.fft.ifftshift(kspace, AXES)
  return np.fft.fftshift(np.fft.ifft2(shifted, norm='ortho'), AXES)


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
