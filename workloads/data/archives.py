"""Files in tar archives, in their order and without unpacking them to disk."""

import contextlib
import io
import pathlib
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO

from workloads.data.manifest import DataError

CHUNK = 2**20  # Bytes that are read at once, of what is only looked at.


def files(
  path: pathlib.Path, content: bytes = b''
) -> Iterator[tuple[str, bytes]]:
  """Names and contents of an archive's files; as `opened`."""
  with opened(path, content) as archive:
    for member in archive:
      if file := file_of(archive, member, path):
        yield member.name, file.read()


def file_of(
  archive: tarfile.TarFile, member: tarfile.TarInfo, path: pathlib.Path
) -> IO[bytes] | None:
  """The content of a member, or of what it is a link to; None of a folder.

  Raises:
    DataError: a link leads to nothing in the archive, or round in a circle.
  """
  try:
    return archive.extractfile(member)
  except (KeyError, RecursionError) as error:
    where = 'nothing' if isinstance(error, KeyError) else 'itself'
    raise DataError(
      f'{path} is damaged: {member.name} is a link to {member.linkname!r}, '
      f'which leads to {where} in the archive.'
    ) from error


@contextlib.contextmanager
def opened(
  path: pathlib.Path, content: bytes = b''
) -> Iterator[tarfile.TarFile]:
  """An archive; while it is open, DataError if it turns out to be damaged.

  What follows its last file is read as well: a packed archive's checksum.

  Args:
    path: Of the archive, or of the one that it lies in.
    content: Of the archive, where it lies in another one.
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
    raise DataError(f'{path} is damaged: {error}.') from error
