"""Files in tar archives, in their order and without unpacking them to disk."""

import contextlib
import io
import pathlib
import tarfile
import zlib
from collections.abc import Iterator

from workloads.data.manifest import DataError

CHUNK = 2**20  # Bytes that are read at once, of what is only looked at.


def files(
  path: pathlib.Path, content: bytes = b''
) -> Iterator[tuple[str, bytes]]:
  """Names and contents of an archive's files; as `opened`."""
  with opened(path, content) as archive:
    for member in archive:
      if file := archive.extractfile(member):
        yield member.name, file.read()


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
