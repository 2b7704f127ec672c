"""Structural similarity of images, with fastMRI's constants.

Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural
Similarity", IEEE Transactions on Image Processing 13. The uniform windows of
7x7 pixels, and the largest value of a whole volume as range, are those of
Zbontar et al. 2018, arXiv:1811.08839.
"""

import jax.numpy as jnp
from flax import linen as nn

WINDOW = 7  # Height and width of a window, in pixels.
K1, K2 = 0.01, 0.03  # Keep quotients finite in dark or flat images.


def ssim(images, references, data_range):
  """Return the similarity [B] of images, from -1 to 1; equal images have 1.

  The result is the mean over all windows inside the image. The published
  metric, which pads the image and drops windows with padding, is the same.

  Args:
    images: Images to evaluate, [B, H, W].
    references: Correct images, [B, H, W].
    data_range: Largest possible value, [B]; 0 means unknown and counts as 1.
  """
  data_range = jnp.where(data_range == 0, 1.0, data_range)[:, None, None]
  c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
  x, y = images, references
  mx, my = _window_means(x), _window_means(y)
  unbiased = WINDOW**2 / (WINDOW**2 - 1)
  vx = unbiased * (_window_means(x * x) - mx * mx)
  vy = unbiased * (_window_means(y * y) - my * my)
  vxy = unbiased * (_window_means(x * y) - mx * my)
  brightness = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
  structure = (2 * vxy + c2) / (vx + vy + c2)
  similarity = (brightness * structure).mean(axis=(1, 2))
  # NaN skips the clipping, which could turn NaN into a similarity of 1.
  return jnp.where(
    jnp.isnan(similarity), similarity, jnp.clip(similarity, -1, 1)
  )


def _window_means(x):  # [B, H, W]
  """Return the mean of every window inside the image, [B, H - 6, W - 6]."""
  x = x[..., None]
  x = nn.avg_pool(nn.avg_pool(x, (WINDOW, 1)), (1, WINDOW))
  return x[..., 0]
