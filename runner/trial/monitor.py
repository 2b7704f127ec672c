"""Monitoring of losses without slowing down training.

JAX returns before the device has finished, so a loop can run far ahead of the
device. The watch reads the scalars of a state that is some steps old, and waits
for them. So the device always has work, but never much.
"""

import collections
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from runner.guard import plain
from submissions.submission import Scalars
from workloads.workload import Array, PyTree

LAG = 4  # Newest states that are not waited for. Twice as many may be pending.


class Diverged(Exception):
  """A loss, metric, parameter or state of training is not finite."""


class Scalar(NamedTuple):
  """Recorded scalars of one step."""

  step: int
  seconds: float  # Charged seconds when the step was dispatched.
  values: dict[str, float]


class Watch:
  """Reader of a training's scalars, called with every state.

  Attributes:
    rows: Recorded scalars that `take` has not returned yet.
  """

  def __init__(
    self,
    scalars: Callable[[PyTree], Scalars],
    every: int,
    on_progress: Callable[[int, float, float], None] = lambda *_: None,
    step: int = 0,
  ):
    """Start to watch a training.

    Args:
      scalars: Returns the scalars of a state.
      every: Steps between records; each record is of the first state at or
        after a multiple of `every`.
      on_progress: Called with step, charged seconds and loss of every state.
      step: Step at which the training starts or resumes.
    """
    self._scalars = scalars
    self._every = every
    self._on_progress = on_progress
    self._pending: collections.deque = collections.deque()
    self._last = step
    self.rows: list[Scalar] = []

  def __call__(self, step: int, seconds: float, state: PyTree) -> None:
    """Queue a state; read older states.

    Args:
      step: Step of the state.
      seconds: Charged seconds of the step's dispatch.
      state: The state; its scalars may still be computed.

    Raises:
      Diverged: an earlier loss was not finite.
    """
    scalars = plain.scalars(self._scalars(state)) or _marker(state)
    self._pending.append((step, seconds, scalars))
    if len(self._pending) > 2 * LAG:
      self._look(LAG)

  def catch_up(self) -> None:
    """Read all pending states; waits until the devices have computed them."""
    self._look(0)

  def take(self) -> list[Scalar]:
    """Return the recorded scalars since the last call."""
    rows, self.rows = self.rows, []
    return rows

  def _look(self, leave: int) -> None:
    """Read all pending states but the `leave` newest ones."""
    count = max(0, len(self._pending) - leave)
    oldest = [self._pending.popleft() for _ in range(count)]
    jax.block_until_ready([scalars for _, _, scalars in oldest])
    for step, seconds, scalars in oldest:
      self._look_at(step, seconds, scalars)

  def _look_at(self, step: int, seconds: float, scalars: Scalars) -> None:
    loss = _float(scalars.get('loss', 0.0))
    self._on_progress(step, seconds, loss)
    if not math.isfinite(loss):
      raise Diverged(f'The loss is {loss} at step {step}.')
    if step // self._every > self._last // self._every:
      # Other scalars are copied from the device only if they are recorded.
      values = {name: _float(value) for name, value in scalars.items() if name}
      self.rows.append(Scalar(step, seconds, values))
    self._last = step


def _float(value: Array | float) -> float:
  """Return a number; by way of NumPy it takes a quarter of float(array)."""
  return float(np.asarray(value))


def _marker(state: PyTree) -> Scalars:
  """Copy the smallest array of a state: it is ready when the state is.

  A copy is needed because the state's own arrays may be donated.
  """
  arrays = [x for x in jax.tree.leaves(state) if isinstance(x, jax.Array)]
  if not arrays:
    return {}
  return {'': jnp.copy(min(arrays, key=lambda x: x.size))}
