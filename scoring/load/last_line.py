"""Read a last line that has no line end.

A copy, an editor or a full disk may cut a log. Then all fields of the last
line are whole except the last one, which may lack digits.
"""

import math
import re

# Numbers that cannot be the beginning of a number with an exponent:
# 1.2 may be cut from 1.2e-05, but 0.12 and 12.3 may not.
_PLAIN = re.compile(r'(-?)(?:0|[1-9][0-9]+)\.([0-9]+)', re.ASCII)


def completions(text: str) -> tuple[float, float]:
  """Return the least and the largest number whose text begins with `text`.

  Returns:
    (-inf, inf) if nothing is known, (nan, nan) if the text is 'nan'.
  """
  if text.lower() == 'nan':
    return math.nan, math.nan
  match = _PLAIN.fullmatch(text)
  if match is None:
    return -math.inf, math.inf
  near = abs(float(text))
  far = near + 10.0 ** -len(match[2])
  return (-far, -near) if match[1] else (near, far)


def known(row: list[str], needed: list[int]) -> bool:
  """Return True if all needed fields of a row without a line end are whole.

  Args:
    row: The row's fields; the last one may be cut short.
    needed: Indices of the needed fields.
  """
  return all(at < len(row) - 1 for at in needed)
