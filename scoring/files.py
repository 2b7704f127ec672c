"""Files of results: data that others have written.

Only plain files are read. A pipe would be waited for, a device read for ever,
and a link may lead to a file of this machine, which a report would then show.
Links to whole folders are followed: so boards are put together.
"""

import os
import pathlib
import stat
import sys
from typing import Any


class Damage(ValueError):
  """A file that cannot be taken at its word; the message says why."""


def plain(path: pathlib.Path) -> pathlib.Path:
  """The path, if a plain file is there, or nothing.

  Raises:
    Damage: something else is.
  """
  try:
    mode = os.lstat(path).st_mode
  except FileNotFoundError:
    return path
  if stat.S_ISREG(mode):
    return path
  what = 'a folder' if stat.S_ISDIR(mode) else 'a pipe or a device'
  if stat.S_ISLNK(mode):
    what = 'a link'
  raise Damage(f'{path.name} is {what}. Put a file with its content there.')


def is_time(value: Any) -> bool:
  """Whether it is a number of seconds: not below 0, infinite or NaN."""
  if isinstance(value, bool) or not isinstance(value, int | float):
    return False
  # JSON has integers that no float can hold.
  return 0 <= value <= sys.float_info.max
