"""Structural similarity of images, with the constants of fastMRI.

Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural
Similarity", IEEE Transactions on Image Processing 13; uniform windows of 7x7
pixels and the brightest value of a whole volume as range, as in Zbontar et al.
2018, arXiv:1811.08839.
"""

import jax.numpy as jnp
from flax import linen as nn

WINDOW = 7  # Pixels on a side.
K1, K2 = 0.01, 0.03  # Keep quotients finite where images are dark or flat.


def ssim(images, references, data_range):
  """Similarity [B] in [-1, 1] of images [B, H, W]; equal ones have 1.

  The mean over all windows inside the image. That is the published one, which
  pads an image and then drops all windows that saw padding.

  Args:
    images: Those to judge.
    references: Those they should be like.
    data_range: Brightest possible value [B]; 0 means unknown and counts as 1.
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
  # Clipping may drop NaN, which would count as a similarity of one.
  return jnp.where(
    jnp.isnan(similarity), similarity, jnp.clip(similarity, -1, 1)
  )


def _window_means(x):  # [B, H, W]
  """Of every window inside the image, [B, H - 6, W - 6]."""
  x = x[..., None]
  x = nn.avg_pool(nn.avg_pool(x, (WINDOW, 1)), (1, WINDOW))
  return x[..., 0]
