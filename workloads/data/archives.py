"""Files in tar archives, read in their order without unpacking to disk."""

import contextlib
import io
import pathlib
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO

from workloads.data.manifest import DataError

CHUNK = 2**20  # Bytes per read after the last file.


def files(
  path: pathlib.Path, content: bytes = b''
) -> Iterator[tuple[str, bytes]]:
  """Yield the names and contents of an archive's files.

  The arguments are those of `opened`.
  """
  with opened(path, content) as archive:
    for member in archive:
      if file := file_of(archive, member, path):
        yield member.name, file.read()


def file_of(
  archive: tarfile.TarFile, member: tarfile.TarInfo, path: pathlib.Path
) -> IO[bytes] | None:
  """Return the content of a member, or None for a folder.

  Args:
    archive: The open archive.
    member: A file, a link or a folder.
    path: Path of the archive, for messages.

  Raises:
    DataError: A link leads to no file of the archive, or to itself.
  """
  try:
    return archive.extractfile(member)
  except (KeyError, RecursionError) as error:
    where = 'nothing' if isinstance(error, KeyError) else 'itself'
    raise DataError(
      f'{path} is damaged: {member.name} is a link to {member.linkname!r}, '
      f'which leads to {where} in the archive. Get the archive again.'
    ) from error


@contextlib.contextmanager
def opened(
  path: pathlib.Path, content: bytes = b''
) -> Iterator[tarfile.TarFile]:
  """Open an archive and read it to its end, including a checksum.

  Args:
    path: Path of the archive, or of the outer archive that contains it.
    content: Bytes of an archive inside another one.

  Raises:
    DataError: The archive is damaged.
  """
  try:
    with (
      io.BytesIO(content) if content else path.open('rb') as packed,
      tarfile.open(fileobj=packed) as archive,
    ):
      yield archive
      while archive.fileobj and archive.fileobj.read(CHUNK):
        pass
  except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
    raise DataError(
      f'{path} is damaged: {error}. Get the archive again.'
    ) from error
