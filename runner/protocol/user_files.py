"""Replacement in one step of users' files, such as READMEs and suites.

Readers see the old or the new file, even after a full disk or a kill. Line
ends, permissions and symbolic links stay as they were. This module imports only
the standard library: scoring writes reports with it.
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
  """A file is not UTF-8 text; the message names the file."""


def read(path: pathlib.Path) -> str:
  """Return the text of a file with its line ends unchanged.

  Raises:
    OSError: the file cannot be read, or is not a regular file: reading a pipe
      would block.
    TextError: the file is not UTF-8.
  """
  if os.path.exists(path) and not os.path.isfile(path):
    raise OSError(errno.EINVAL, 'It is not a regular file', str(path))
  try:
    return path.read_bytes().decode('utf-8')
  except UnicodeDecodeError as error:
    raise TextError(
      f'{path} is not UTF-8: {error.reason} at byte {error.start}. Save it as '
      'UTF-8.'
    ) from error


def with_ends_of(other: str, text: str) -> str:
  """Return `text` with the line ends of most lines of `other`."""
  windows = other.count('\r\n')
  end = '\r\n' if 2 * windows > other.count('\n') else '\n'
  return re.sub(r'\r?\n', end, text)


def replace(path: pathlib.Path, content: bytes) -> None:
  """Replace a file in one step, or write a new file.

  Raises:
    StorageError: the file cannot be written, or `path` is not a regular file;
      whatever was there is unchanged.
  """
  real = pathlib.Path(os.path.realpath(path))
  if os.path.lexists(real) and not os.path.isfile(real):
    raise StorageError(
      f'Cannot write {path}: it is not a regular file. Name another path.'
    )
  # A random name: the user's folder may hold any other name already.
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
  """Copy the permissions, and if permitted the owner, of the old file."""
  before = real.stat()
  shutil.copymode(real, partial)
  with contextlib.suppress(OSError):
    os.chown(partial, before.st_uid, before.st_gid)
