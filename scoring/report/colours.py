"""Colours and dashes of submissions: the same for a name on every board.

A name's hue and dash come from its hash, so no board needs a list of names. Two
names may look alike, so charts also write names beside their lines.
"""

import hashlib
import math

HUES = 36  # Number of hues, in steps of 10 degrees.
# Goes into the hash. With this one, no two of TimeTrial's own 42 submissions
# look alike, which chance alone would not give.
SALT = '16996 '
# Lengths of lines and gaps in pixels; () is a solid line.
DASHES = ((), (7, 3), (2, 2.5), (9, 3, 2, 3))
LIGHTNESS, CHROMA = 0.55, 0.15  # In OKLCH (Ottosson 2020), on white.


def hue(name: str) -> int:
  """Return the hue of a name's colour, in degrees of OKLCH."""
  return _byte(name, 0) % HUES * (360 // HUES)


def dash(name: str) -> int:
  """Return the index of a name's dash in DASHES."""
  return _byte(name, 1) % len(DASHES)


def rgb(degrees: float) -> tuple[float, float, float]:
  """Return the sRGB colour (0 to 1) of a hue on white paper.

  Conversion from OKLCH: Björn Ottosson 2020, "A perceptual color space for
  image processing", https://bottosson.github.io/posts/oklab/. Colours outside
  sRGB are cut off.
  """
  angle = math.radians(degrees)
  a, b = CHROMA * math.cos(angle), CHROMA * math.sin(angle)
  long = (LIGHTNESS + 0.3963377774 * a + 0.2158037573 * b) ** 3
  middle = (LIGHTNESS - 0.1055613458 * a - 0.0638541728 * b) ** 3
  short = (LIGHTNESS - 0.0894841775 * a - 1.2914855480 * b) ** 3
  linear = (
    4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
  )
  red, green, blue = (_gamma(min(1.0, max(0.0, value))) for value in linear)
  return red, green, blue


def _gamma(value: float) -> float:
  """Return the sRGB value of a linear value (IEC 61966-2-1)."""
  if value <= 0.0031308:
    return 12.92 * value
  return 1.055 * value ** (1 / 2.4) - 0.055


def _byte(name: str, place: int) -> int:
  """Return one byte of a name's hash."""
  return hashlib.sha256(
    f'{SALT}{name}'.encode('utf-8', 'surrogateescape')
  ).digest()[place]
