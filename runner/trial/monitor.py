"""Looks at a running training without standing in its way.

JAX returns before the device is done, so a loop can run far ahead of it. Every
few states the watch waits, but for one a few states back: the device always
has work, never much of it, and what it reads is ready.
"""

import collections
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from runner.trial import plain
from submissions.submission import Scalars
from workloads.workload import PyTree

LAG = 4  # States that stay unfinished when the watch waits; it lets twice pass.


class Diverged(Exception):
  """Training has left the finite numbers."""


class Scalar(NamedTuple):
  """Recorded scalars of one step."""

  step: int
  seconds: float  # Charged when the step was dispatched.
  values: dict[str, float]


class Watch:
  """Call it with every state.

  Attributes:
    rows: Recorded scalars that nobody has taken yet.
  """

  def __init__(
    self,
    scalars: Callable[[PyTree], Scalars],
    every: int,
    tell: Callable[[int, float, float], None] = lambda *_: None,
    step: int = 0,
  ):
    """
    Args:
      scalars: What to record of a state.
      every: Records steps that are multiples of it, or the next after them.
      tell: Hears step, charged seconds and loss of every state looked at.
      step: Where the trial goes on.
    """
    self._scalars = scalars
    self._every = every
    self._tell = tell
    self._pending: collections.deque = collections.deque()
    self._last = step
    self.rows: list[Scalar] = []

  def __call__(self, step: int, seconds: float, state: PyTree) -> None:
    """Raises Diverged if an earlier loss was not finite."""
    scalars = plain.scalars(self._scalars(state)) or _marker(state)
    self._pending.append((step, seconds, scalars))
    if len(self._pending) > 2 * LAG:
      self._look(LAG)

  def catch_up(self) -> None:
    """Looks at everything that is left; the devices must be done."""
    self._look(0)

  def take(self) -> list[Scalar]:
    rows, self.rows = self.rows, []
    return rows

  def _look(self, leave: int) -> None:
    """At all but so many of the newest states."""
    while len(self._pending) > leave:
      self._look_at(*self._pending.popleft())

  def _look_at(self, step: int, seconds: float, scalars: Scalars) -> None:
    jax.block_until_ready(scalars)
    loss = float(scalars.get('loss', 0.0))
    self._tell(step, seconds, loss)
    if not math.isfinite(loss):
      raise Diverged(f'The loss is {loss} at step {step}.')
    if step // self._every > self._last // self._every:
      # The others are fetched only where they are kept.
      values = {name: float(value) for name, value in scalars.items() if name}
      self.rows.append(Scalar(step, seconds, values))
    self._last = step


def _marker(state: PyTree) -> Scalars:
  """Something small that is ready when the state is, and is not donated."""
  arrays = [x for x in jax.tree.leaves(state) if isinstance(x, jax.Array)]
  if not arrays:
    return {}
  return {'': jnp.copy(min(arrays, key=lambda x: x.size))}
