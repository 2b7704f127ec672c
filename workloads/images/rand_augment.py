"""RandAugment: two random changes to every image, as strong as in AlgoPerf.

Cubuk et al. 2020, arXiv:1909.13719. Pillow makes the changes; empty areas
become grey. AlgoPerf's code has two mistakes, which `odd` reproduces. Solarize
inverts every pixel, since its threshold 256 overflows to 0. Contrast is
relative to a grey that depends on the number of pixels instead of their mean.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

CHANGES = 2  # Changes per image.
MAGNITUDE = 10
BLEND = MAGNITUDE / 10 * 1.8 + 0.1  # 0: plain image, 1: image, > 1: more.
SHEAR, DEGREES, PIXELS = 0.3, 30, 100
BITS = 4  # Bits per colour after posterize.
THRESHOLD = 256  # Solarize's threshold; changes no pixel at this magnitude.
LIGHTER, DARK = 110, 128
CUT = 40  # Half the side of cutout's square, in pixels.
GREY = (128, 128, 128)

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def augment(
  pixels: np.ndarray, rng: np.random.Generator, odd: bool = False
) -> np.ndarray:
  """Apply two random operations, each one of sixteen, to an image.

  Args:
    pixels: [S, S, 3] uint8.
    rng: Source of random numbers.
    odd: Reproduces AlgoPerf's solarize and contrast.
  """
  image = Image.fromarray(pixels)
  changes = list((OPERATIONS | (ODD if odd else {})).values())
  for number in rng.integers(len(changes), size=CHANGES):
    image = changes[number](image, rng)
  return np.asarray(image)


def _blended(plain: Image.Image, image: Image.Image) -> Image.Image:
  return Image.blend(plain, image, BLEND)


def _sharper(image: Image.Image) -> Image.Image:
  return _blended(image.filter(ImageFilter.SMOOTH), image)


def _lighter_darks(image: Image.Image) -> Image.Image:
  return image.point([min(v + LIGHTER, 255) if v < DARK else v for v in _BYTES])


def _odd_contrast(image: Image.Image) -> Image.Image:
  grey = image.width * image.height // 256
  return _blended(Image.new('RGB', image.size, (min(grey, 255),) * 3), image)


def _affine(*matrix: float) -> Change:
  """Return a change that reads pixel (x, y) from a transformed position.

  The position is (a x + b y + c, d x + e y + f), or the same with the opposite
  direction, each with probability 1/2.
  """
  signed = np.array(matrix) - (1, 0, 0, 0, 1, 0)

  def change(image, rng):
    there = tuple(signed * rng.choice([-1, 1]) + (1, 0, 0, 0, 1, 0))
    return image.transform(
      image.size, Image.Transform.AFFINE, there, fillcolor=GREY
    )

  return change


def _rotated(image, rng):
  return image.rotate(DEGREES * rng.choice([-1, 1]), fillcolor=GREY)


def _with_hole(image, rng):
  x, y = rng.integers(image.width), rng.integers(image.height)
  box = (x - CUT, y - CUT, x + CUT, y + CUT)  # Pillow clips large values.
  image = image.copy()
  image.paste(GREY, tuple(int(max(0, n)) for n in box))
  return image


_BYTES = tuple(range(256)) * 3
OPERATIONS: dict[str, Change] = {
  'autocontrast': lambda image, rng: ImageOps.autocontrast(image),
  'equalize': lambda image, rng: ImageOps.equalize(image),
  'invert': lambda image, rng: ImageOps.invert(image),
  'rotate': _rotated,
  'posterize': lambda image, rng: ImageOps.posterize(image, BITS),
  'solarize': lambda image, rng: ImageOps.solarize(image, THRESHOLD),
  'solarize_add': lambda image, rng: _lighter_darks(image),
  'color': lambda image, rng: ImageEnhance.Color(image).enhance(BLEND),
  'contrast': lambda image, rng: ImageEnhance.Contrast(image).enhance(BLEND),
  'brightness': lambda image, rng: ImageEnhance.Brightness(image).enhance(
    BLEND
  ),
  'sharpness': lambda image, rng: _sharper(image),
  'shear_x': _affine(1, SHEAR, 0, 0, 1, 0),
  'shear_y': _affine(1, 0, 0, SHEAR, 1, 0),
  'translate_x': _affine(1, 0, PIXELS, 0, 1, 0),
  'translate_y': _affine(1, 0, 0, 0, 1, PIXELS),
  'cutout': _with_hole,
}
ODD: dict[str, Change] = {
  'solarize': lambda image, rng: ImageOps.invert(image),
  'contrast': lambda image, rng: _odd_contrast(image),
}
