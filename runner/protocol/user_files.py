"""Files that people keep, such as READMEs and suites: replaced in one step.

A reader, a full disk or a kill sees the old file or the new one. Line ends,
permissions and what a link leads to stay as they were. The standard library
only: scoring writes reports with this.
"""

import contextlib
import errno
import os
import pathlib
import re
import secrets
import shutil

from runner.protocol import storage
from runner.protocol.storage import StorageError


class TextError(ValueError):
  """A file is not text in UTF-8; the message names it."""


def read(path: pathlib.Path) -> str:
  """The text of a file with its line ends as they are.

  Raises:
    OSError: it cannot be read, or is no plain file: pipes would be waited for.
    TextError: it is not UTF-8.
  """
  if os.path.exists(path) and not os.path.isfile(path):
    raise OSError(errno.EINVAL, 'It is no plain file', str(path))
  try:
    return path.read_bytes().decode('utf-8')
  except UnicodeDecodeError as error:
    raise TextError(
      f'{path} is not UTF-8: {error.reason} at byte {error.start}. Save it as '
      'UTF-8.'
    ) from error


def with_ends_of(other: str, text: str) -> str:
  """The text with the line ends that most lines of another have."""
  windows = other.count('\r\n')
  end = '\r\n' if 2 * windows > other.count('\n') else '\n'
  return re.sub(r'\r?\n', end, text)


def replace(path: pathlib.Path, content: bytes) -> None:
  """Replaces a file in one step, or writes a new one.

  Raises:
    StorageError: the disk does not take it, or something else than a file is
      there; what was there is as it was.
  """
  real = pathlib.Path(os.path.realpath(path))
  if os.path.lexists(real) and not os.path.isfile(real):
    raise StorageError(f'Cannot write {path}: it is no plain file.')
  # Nobody else's name: the folder is not ours.
  partial = real.with_name(f'.{secrets.token_hex(8)}.partial')
  with storage.storing(path):
    try:
      with partial.open('xb') as file:
        file.write(content)
        storage.flush(file)
      if os.path.lexists(real):
        _as_before(real, partial)
      partial.replace(real)
      storage.flush_folder(real.parent)
    finally:
      with contextlib.suppress(OSError):
        partial.unlink()


def _as_before(real: pathlib.Path, partial: pathlib.Path) -> None:
  """Gives a new file the permissions, and if it may the owner, of the old."""
  before = real.stat()
  shutil.copymode(real, partial)
  with contextlib.suppress(OSError):
    os.chown(partial, before.st_uid, before.st_gid)
