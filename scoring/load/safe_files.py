"""Refuse files of results that are not safe to read: others wrote them.

Only plain files are read. Reading a pipe or a device may never end, and a link
may lead to a private file of this machine, which the report would show. Links
to whole folders are followed, because boards are put together with them.
"""

import os
import pathlib
import stat

LARGEST = 2**26  # Bytes; AlgoPerf's longest logs have a thousandth of this.
LONGEST = 2**32  # Bytes of a file of scalars, which grows at every step.


class Damage(ValueError):
  """A file that is damaged or contradicts others; the message says why."""


def plain(path: pathlib.Path, most: int = LARGEST) -> pathlib.Path:
  """Return the path if a plain file or nothing is there.

  Args:
    path: The file's path.
    most: Largest size in bytes.

  Raises:
    Damage: The file is too large, or a link, a folder, a pipe or a device.
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
      f'{path.name} has {found.st_size / 1e6:.0f} MB and is not read: no trial '
      f'writes more than {most / 1e6:.0f} MB of this file.'
    )
  what = 'a folder' if stat.S_ISDIR(mode) else 'a pipe or a device'
  if stat.S_ISLNK(mode):
    what = 'a link'
  raise Damage(
    f'{path.name} is {what}, but must be a plain file. Put a file with the '
    'same content there.'
  )
