"""Ends all that a process has started, whatever it did to get away.

A process whose parent ends becomes a child of the nearest ancestor that asks
for such orphans. While a trial runs, its runner asks. A process may leave its
session, but never enter one that was there before: so sessions tell the trial's
orphans from other children of the runner. Linux only; elsewhere nothing is
found.
"""

import contextlib
import ctypes
import os
import pathlib
import signal
import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

SET_SUBREAPER, GET_SUBREAPER = 36, 37  # Of prctl.
POLL = 0.01  # Seconds from one look to the next.
DYING = 10.0  # Seconds that killed processes have to be gone.


class Process(NamedTuple):
  """A process as /proc tells it."""

  pid: int
  parent: int
  session: int
  ended: bool  # And waits for its parent to ask how.


class Orphans:
  """Orphans of what is started from now on; made by `adopted`."""

  def __init__(self, known: Collection[int]):
    """Remember whose children are no orphans.

    Args:
      known: Sessions of other children, which are left alone.
    """
    self._known = known

  def end(self) -> list[int]:
    """Kill all orphans with their descendants, until there are none.

    What the caller has started and waits for must have ended before.

    Returns:
      The processes that the system does not end in time.
    """
    deadline = time.monotonic() + DYING
    while True:
      running = _processes()
      orphans = {one.pid: one for one in running if self._is_orphan(one)}
      for one in orphans.values():
        if one.ended:
          with contextlib.suppress(ChildProcessError):
            os.waitpid(one.pid, os.WNOHANG)
      found = [*orphans.values(), *_below(orphans, running)]
      alive = [one.pid for one in found if not one.ended]
      if not alive or time.monotonic() > deadline:
        return alive
      # All stop first: a running one could start another during the kills.
      for how in (signal.SIGSTOP, signal.SIGKILL):
        for pid in alive:
          with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, how)
      time.sleep(POLL)

  def _is_orphan(self, one: Process) -> bool:
    return one.parent == os.getpid() and one.session not in self._known


def adopt_orphans() -> None:
  """Adopt the orphans of this process's descendants, as long as it runs."""
  _set_subreaper(1)


@contextlib.contextmanager
def adopted(*, alone: bool = False) -> Iterator[Orphans]:
  """Take in the orphans of what is started in the block.

  The block calls `Orphans.end` when all that it waits for has ended.

  Args:
    alone: Whether this process has no other children, in whatever session.
  """
  before = _subreaper()
  _set_subreaper(1)
  try:
    yield Orphans(() if alone else _sessions())
  finally:
    _set_subreaper(before)


def _processes() -> list[Process]:
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
    with contextlib.suppress(OSError):  # It is gone.
      # The name, in parentheses, may have any letters.
      _, _, rest = path.read_bytes().rpartition(b')')
      state, parent, _, session, *_ = rest.split()
      ended = state in (b'Z', b'X')
      pid = int(path.parent.name)
      found.append(Process(pid, int(parent), int(session), ended))
  return found


def _sessions() -> set[int]:
  """Return the sessions of this process and its descendants."""
  below = _below({os.getpid()}, _processes())
  return {os.getsid(0), *(one.session for one in below)}


def _below(roots: Collection[int], running: list[Process]) -> list[Process]:
  """Return all descendants of some processes, without these."""
  found, known = [], set(roots)
  while fresh := [
    one for one in running if one.parent in known and one.pid not in known
  ]:
    found += fresh
    known |= {one.pid for one in fresh}
  return found


def _subreaper() -> int:
  value = ctypes.c_int(0)
  with contextlib.suppress(AttributeError):  # Not on this system.
    ctypes.CDLL(None).prctl(GET_SUBREAPER, ctypes.byref(value), 0, 0, 0)
  return value.value


def _set_subreaper(value: int) -> None:
  with contextlib.suppress(AttributeError):  # Not on this system.
    ctypes.CDLL(None).prctl(SET_SUBREAPER, value, 0, 0, 0)
