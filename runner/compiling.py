"""Tells the clock what JAX spends on tracing and compiling."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax

from runner.clock import Clock

_COMPILING = '/jax/core/compile/'


@contextmanager
def noticed(clock: Clock) -> Iterator[None]:
  """While open, seconds of tracing and compiling go to 'compile'."""

  def listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event.startswith(_COMPILING):
      clock.compiled(duration_secs)

  jax.monitoring.register_event_duration_secs_listener(listen)
  try:
    yield
  finally:
    jax.monitoring.unregister_event_duration_listener(listen)
