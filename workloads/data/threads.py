"""Threads that prepare batches, one per core."""

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

_KNOWN: set[threading.Thread] = set()


def cores() -> int:
  """Return the number of CPU cores that this process may use."""
  return len(os.sched_getaffinity(0))


def executor(count: int, name: str) -> ThreadPoolExecutor:
  """Return a pool of threads whose identities `idents` gives.

  Args:
    count: Number of threads.
    name: Prefix of their names.
  """
  return ThreadPoolExecutor(count, name, initializer=_remember)


def idents() -> set[int]:
  """Return the identities of the living threads of all such pools."""
  return {thread.ident or 0 for thread in _KNOWN if thread.is_alive()}


def _remember() -> None:
  _KNOWN.add(threading.current_thread())


@functools.cache
def pool(threads: int) -> ThreadPoolExecutor:
  """Return the pool that all sources share.

  Sharing causes no deadlock: no source waits for another one while drawing.
  """
  return executor(threads, 'decode')
