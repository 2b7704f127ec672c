"""Files of results: data that others have written.

Only plain files are read. A pipe would be waited for, a device read for ever,
and a link may lead to a file of this machine, which a report would then show.
Links to whole folders are followed: so boards are put together.
"""

import os
import pathlib
import stat


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
