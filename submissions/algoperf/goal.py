"""What a submission to AlgoPerf hears of a race, and one of ours does not."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from workloads.workload import Model


class Goal(NamedTuple):
  workload: str  # As it is called here.
  metric: str  # Without the split.
  lower: bool  # Whether less of it is better.
  target: float | None
  test_target: float | None
  seconds: float  # Budget.
  eval_seconds: float  # From one evaluation to the next.
  eval_batch_size: int
  examples: Mapping[str, int]  # Evaluated, by split.
  evaluate: Callable[[Model, str], dict[str, float]]  # On a split.
  accounts: Callable[[], Mapping[str, float]]  # Of the clock, in seconds.
