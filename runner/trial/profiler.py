"""Traces of some steps of a trial, in its folder, for TensorBoard or XProf."""

import pathlib

import jax

from runner.protocol.timing import accounts
from runner.trial.clock import Clock

COMPILING = 2  # States that a loop yields before its steps are compiled.


class Profile:
  """A trace of some steps after the first few, called with every step.

  Starting and stopping a trace is free, but traced steps take longer. Records
  of such a trial say so, because the trial must not be ranked.

  Attributes:
    steps: Number of traced steps.
  """

  def __init__(self, folder: pathlib.Path, wanted: int, clock: Clock):
    """Prepare a trace.

    Args:
      folder: Folder of the trial.
      wanted: Smallest number of steps to trace; 0: no trace.
      clock: The trial's clock. It waits for the devices when a charged account
        ends, so that a trace has whole steps.
    """
    self._folder = folder
    self._wanted = wanted
    self._clock = clock
    self._states = 0
    self._first: int | None = None  # Step after which the trace begins.
    self.steps = 0

  def __call__(self, step: int) -> None:
    if not self._wanted or self.steps:
      return
    self._states += 1
    if self._first is None:
      if self._states >= COMPILING:
        self._start(step)
    elif step >= self._first + self._wanted:
      self.stop(step)

  def _start(self, step: int) -> None:
    with self._clock.account(accounts.RECORD):
      jax.profiler.start_trace(str(self._folder))
    self._first = step

  def stop(self, step: int) -> None:
    """End a running trace, after enough steps or at the trial's end."""
    if self._first is None or self.steps:
      return
    with self._clock.account(accounts.RECORD):
      jax.profiler.stop_trace()
    self.steps = step - self._first
