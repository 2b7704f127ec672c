"""Limits of a trial's log, which must not fill the disk.

A trial's process writes directly to its log, so no text is lost if the parent
ends. The parent checks the size regularly. It cuts the middle out of a long
log, and stops a trial whose log takes too much of the disk.
"""

import contextlib
import os
import pathlib
from collections.abc import Sequence

MOST = 64 << 20  # Largest size of a log, in bytes; longer logs are cut.
HEAD = MOST // 2  # Bytes that are kept of the beginning of a cut log.
TAIL = 1 << 16  # Bytes that are kept of the end of a cut log.
SHARE = 0.5  # Largest share of the disk space that is free without the log.
SMALL = 1 << 20  # Bytes that a trial may always print, even on a full disk.


class Watch:
  """Size checks of the logs of one attempt.

  Attributes:
    paths: Paths of the logs.
  """

  def __init__(self, paths: Sequence[pathlib.Path]):
    self.paths = paths
    self._full = ''

  def full(self) -> str:
    """Cut long logs; return why the trial cannot go on, or ''."""
    for path in self.paths:
      with contextlib.suppress(OSError):  # A trial may delete its log.
        self._look(path)
    return self._full

  def _look(self, path: pathlib.Path) -> None:
    size = path.stat().st_size
    if size <= SMALL:
      return
    free = os.statvfs(path)
    room = size + free.f_bavail * free.f_frsize
    if size > SHARE * room:
      self._full = (
        f'{path.name} had {size:,} bytes and the disk has room for {room:,} '
        f'(limit {SHARE:.0%} of the room): the trial printed too much.'
      )
      cut(path, min(SMALL, HEAD), TAIL)
    elif size > MOST:
      cut(path, HEAD, TAIL)


def cut(path: pathlib.Path, head: int, tail: int) -> None:
  """Cut the middle out of a file.

  Args:
    path: The file.
    head: Bytes to keep of its beginning.
    tail: Bytes to keep of its end.
  """
  # A trial may have laid a link there, to a file that it may not write to.
  with open(path, 'r+b', opener=_no_link) as log:
    size = log.seek(0, os.SEEK_END)
    if size <= head + tail:
      return
    log.seek(size - tail)
    last = log.read(tail)
    log.truncate(head)  # Frees space first, because the disk may be full.
    log.seek(0, os.SEEK_END)
    left_out = size - head - tail
    log.write(f'\n[{left_out:,} bytes are left out here]\n'.encode() + last)


def _no_link(path: str, flags: int) -> int:
  return os.open(path, flags | os.O_NOFOLLOW)
