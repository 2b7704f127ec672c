"""Bounds what a trial may print: a log must not fill the disk.

The process writes to its log by itself, so that nothing it prints is lost when
its parent is. The parent looks at the size now and then. It cuts the middle out
of a long log, and has a trial stopped that leaves the disk no room.
"""

import contextlib
import os
import pathlib
from collections.abc import Sequence

MOST = 64 << 20  # Bytes of a log; what is more than that is cut.
HEAD = MOST // 2  # Bytes that are kept of its beginning,
TAIL = 1 << 16  # and of its end.
SHARE = 0.5  # Of the disk space that is free without it, at most.
SMALL = 1 << 20  # Bytes that a trial may print however full the disk is.


class Watch:
  """Looks at the logs of one attempt.

  Attributes:
    paths: Of the logs.
  """

  def __init__(self, paths: Sequence[pathlib.Path]):
    self.paths = paths
    self._full = ''

  def full(self) -> str:
    """Cut long logs; return why the trial cannot go on, or ''."""
    for path in self.paths:
      with contextlib.suppress(OSError):  # A trial may do anything to it.
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
        f'{path.name} had {size:,} bytes, and the disk has room for '
        f'{room:,}: it printed too much.'
      )
      cut(path, min(SMALL, HEAD), TAIL)
    elif size > MOST:
      cut(path, HEAD, TAIL)


def cut(path: pathlib.Path, head: int, tail: int) -> None:
  """Leaves so many bytes of the beginning and of the end of a file."""
  # A trial may have laid a link there, to a file that it may not write to.
  with open(path, 'r+b', opener=_no_link) as log:
    size = log.seek(0, os.SEEK_END)
    if size <= head + tail:
      return
    log.seek(size - tail)
    last = log.read(tail)
    log.truncate(head)  # First, as the disk may be full.
    log.seek(0, os.SEEK_END)
    left_out = size - head - tail
    log.write(f'\n[{left_out:,} bytes are left out here]\n'.encode() + last)


def _no_link(path: str, flags: int) -> int:
  return os.open(path, flags | os.O_NOFOLLOW)
