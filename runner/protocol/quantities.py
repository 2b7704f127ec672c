"""Numbers as sentences have them: rounded, and without exponents."""

import math

LEAST = 1e-9  # Smaller ones need more zeros than anybody counts.


def plain(value: float, digits: int = 4) -> str:
  """So many significant digits, without zeros at the end: 12345 is 12340."""
  if not math.isfinite(value) or abs(value) < LEAST:
    return f'{value:g}'
  places = digits - 1 - math.floor(math.log10(abs(value)))
  text = f'{round(value, places):.{max(0, places)}f}'
  return text.rstrip('0').rstrip('.') if '.' in text else text


def apart(value: float, other: float, digits: int = 4) -> tuple[str, str]:
  """Both, with as many digits as it takes to tell them apart if they differ."""
  while digits < 17 and value != other:
    texts = plain(value, digits), plain(other, digits)
    if texts[0] != texts[1]:
      return texts
    digits += 1
  return plain(value, digits), plain(other, digits)
