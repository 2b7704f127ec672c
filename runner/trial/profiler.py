"""A trace of some steps of a trial, in its folder, for TensorBoard or XProf."""

import pathlib

import jax

from runner.trial.clock import Clock

COMPILING = 2  # States that a loop yields before its steps are steady.


class Profile:
  """Call it with every state's step: traces steps once, after the first few.

  Starting and stopping are charged to nobody, but steps take longer while they
  are traced: such a trial is no longer to be ranked, and says so.

  Attributes:
    steps: How many were traced.
  """

  def __init__(self, folder: pathlib.Path, wanted: int, clock: Clock):
    """
    Args:
      folder: Of the trial.
      wanted: Steps to trace at least; 0 for none.
      clock: Of the trial. Leaving a charged account waits for the devices, so
        that a trace has whole steps.
    """
    self._folder = folder
    self._wanted = wanted
    self._clock = clock
    self._states = 0
    self._first: int | None = None  # Step that the trace begins behind.
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
    with self._clock.account('record'):
      jax.profiler.start_trace(str(self._folder))
    self._first = step

  def stop(self, step: int) -> None:
    """Ends a trace that is under way: enough is seen, or the trial is over."""
    if self._first is None or self.steps:
      return
    with self._clock.account('record'):
      jax.profiler.stop_trace()
    self.steps = step - self._first
