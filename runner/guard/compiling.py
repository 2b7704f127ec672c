"""Decide whether a compilation may be free of charge.

A suite may leave compiling free, so nothing else may run meanwhile: work that
was sent to the devices before, a thread, or a child process would train for
nothing. And only JAX itself may say that it has compiled.
"""

import gc
import threading
import time
import types
from collections.abc import Callable, Iterable

from jax._src import dispatch, monitoring
from jax._src.interpreters import pxla

from runner.guard.company import Company


class Compiling:
  """Watches one compilation after another in the thread that trains."""

  def __init__(self, wait: Callable[[], None], company: Company):
    """Remember the code of JAX; call it before a submission is loaded.

    Args:
      wait: Blocks until the devices have finished their work.
      company: Threads and processes of the submission.
    """
    self._wait = wait
    self._company = company
    self._thread = threading.get_ident()
    # The functions that report a compilation, from the inside out.
    self._callers = [
      _codes(vars(monitoring).values()),
      _codes(vars(dispatch.LogElapsedTimeContextManager).values()),
      _codes(vars(pxla).values()),
    ]
    self._alone = False
    self._waited = 0.0

  def here(self) -> bool:
    """Return whether this is the thread that trains."""
    return threading.get_ident() == self._thread

  def begin(self) -> None:
    """Wait for the devices, as XLA is about to compile."""
    if not self.here():
      return
    began = time.monotonic()
    self._wait()
    self._alone = self._company.alone()
    self._waited = time.monotonic() - began

  def end(self, reported: types.FrameType | None) -> tuple[bool, float]:
    """Return whether the compilation was alone, and the seconds of waiting.

    Args:
      reported: Frame of the function that reported the end.
    """
    if not self.here():
      return False, 0.0
    alone, waited = self._alone, self._waited
    self._alone, self._waited = False, 0.0
    alone = alone and self._company.alone()  # Nothing was started meanwhile.
    return alone and self._by_jax(reported), waited

  def _by_jax(self, frame: types.FrameType | None) -> bool:
    for codes in self._callers:
      if frame is None or frame.f_code not in codes:
        return False
      frame = frame.f_back
    return True


def _codes(values: Iterable[object]) -> set[types.CodeType]:
  """Return the code of functions, also of those that a cache keeps."""
  found: list[object] = []
  for value in values:
    kept = callable(value) and not isinstance(value, type)
    found += [value, *gc.get_referents(value)] if kept else [value]
  return {one.__code__ for one in found if isinstance(one, types.FunctionType)}
