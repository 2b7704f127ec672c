"""Threads that prepare batches, one per core."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor


def cores() -> int:
  """Return the number of CPU cores that this process may use."""
  return len(os.sched_getaffinity(0))


@functools.cache
def pool(threads: int) -> ThreadPoolExecutor:
  """Return the pool that all sources share.

  Sharing causes no deadlock: no source waits for another one while drawing.
  """
  return ThreadPoolExecutor(threads, 'decode')
