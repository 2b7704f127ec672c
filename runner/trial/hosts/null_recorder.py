"""Recorder of the hosts that keep no records."""

from collections.abc import Mapping, Sequence
from typing import Any

from runner.trial import checkpoint, state_tree
from runner.trial.feed import Feed
from runner.trial.loop import Ending, Result
from runner.trial.monitor import Scalar
from runner.trial.state_tree import Flat
from workloads.workload import Model


class NullRecorder:
  """Recorder for non-leader hosts: writes nothing, but joins snapshots."""

  def restore(self) -> checkpoint.Checkpoint | None:
    """Return None: only the leader restores checkpoints."""

  def start_over(self, reason: str) -> None:
    """Do nothing: there are no records."""

  def results(self) -> list[Result]:
    return []

  def record(
    self,
    result: Result,
    state: Flat,
    feed: Feed,
    scalars: list[Scalar],
    model: Model,
  ) -> None:
    self.save(state, feed, scalars)

  def keep(self, step: int, model: Model) -> None:
    """Take part in what all hosts must do together."""
    checkpoint.snapshot(state_tree.Flattener()(model).leaves)

  def save(self, state: Flat, feed: Feed, scalars: list[Scalar]) -> None:
    """Take part in what all hosts must do together."""
    if not state.lost:
      checkpoint.snapshot(state.leaves)

  def end(
    self,
    ending: Ending,
    step: int = 0,
    scalars: Sequence[Scalar] = (),
    *,
    padding: float | None = None,
    profiled: int = 0,
    costs: Mapping[str, Sequence[float]] | None = None,
    free: Mapping[str, Any] | None = None,
  ) -> None:
    pass
