"""Threads that make batches, as many as there are cores."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor


def cores() -> int:
  """That this process may use."""
  return len(os.sched_getaffinity(0))


@functools.cache
def pool(threads: int) -> ThreadPoolExecutor:
  """One for all sources: none is drawn from while it waits for another."""
  return ThreadPoolExecutor(threads, 'decode')
