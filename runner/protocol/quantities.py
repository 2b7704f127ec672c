"""Numbers for sentences: rounded and without exponents."""

import math

LEAST = 1e-9  # Smaller numbers need too many zeros and get an exponent.


def plain(value: float, digits: int = 4) -> str:
  """Round to `digits` significant digits: 12345 gives '12340'."""
  if not math.isfinite(value) or abs(value) < LEAST:
    return f'{value:g}'
  places = digits - 1 - math.floor(math.log10(abs(value)))
  text = f'{round(value, places):.{max(0, places)}f}'
  return text.rstrip('0').rstrip('.') if '.' in text else text


def apart(value: float, other: float, digits: int = 4) -> tuple[str, str]:
  """Return both numbers with enough digits to tell them apart.

  Args:
    value: The first number.
    other: The second number; equal numbers get `digits` digits.
    digits: Smallest number of significant digits.
  """
  while digits < 17 and value != other:
    texts = plain(value, digits), plain(other, digits)
    if texts[0] != texts[1]:
      return texts
    digits += 1
  return plain(value, digits), plain(other, digits)
