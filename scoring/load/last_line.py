"""A last line that has no end: what is known of it, and what nobody can tell.

Logs lose the end of their last line by a copy, an editor or a full disk. All
fields but the last are whole then. The last one may lack digits.
"""

import math
import re

# A number as Python writes it, without an exponent, whose first digits are not
# those of one with an exponent: 1.2 may have been 1.2e-05, 0.12 may not.
_PLAIN = re.compile(r'(-?)(?:0|[1-9][0-9]+)\.([0-9]+)', re.ASCII)


def completions(text: str) -> tuple[float, float]:
  """Least and largest number whose text begins with these characters.

  Both are infinite where nobody can tell, and NaN where there is no number.
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
  """Whether all needed fields of a row without its end are whole.

  Args:
    row: Its fields; the last one may be cut short.
    needed: Their places in a row.
  """
  return all(at < len(row) - 1 for at in needed)
