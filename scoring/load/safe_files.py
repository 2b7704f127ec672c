"""Files of results: data that others have written.

Only plain files are read. A pipe would be waited for, a device read for ever,
and a link may lead to a file of this machine, which a report would then show.
Links to whole folders are followed: so boards are put together.
"""

import os
import pathlib
import stat

LARGEST = 2**26  # Bytes: AlgoPerf's longest logs have a thousandth of it.
LONGEST = 2**32  # Of scalars, which are written at every step.


class Damage(ValueError):
  """A file that cannot be taken at its word; the message says why."""


def plain(path: pathlib.Path, most: int = LARGEST) -> pathlib.Path:
  """The path, if a plain file is there, or nothing.

  Args:
    path: Of the file.
    most: Bytes that it may have.

  Raises:
    Damage: something else is there, or a file that is too large.
  """
  try:
    found = os.lstat(path)
  except FileNotFoundError:
    return path
  mode = found.st_mode
  if stat.S_ISREG(mode) and found.st_size <= most:
    return path
  if stat.S_ISREG(mode):
    raise Damage(
      f'{path.name} has {found.st_size / 1e6:.0f} MB; no trial writes more '
      f'than {most / 1e6:.0f} MB of it, and so it is not read.'
    )
  what = 'a folder' if stat.S_ISDIR(mode) else 'a pipe or a device'
  if stat.S_ISLNK(mode):
    what = 'a link'
  raise Damage(f'{path.name} is {what}. Put a file with its content there.')
