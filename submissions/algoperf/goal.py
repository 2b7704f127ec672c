"""Facts of a race that only AlgoPerf submissions get."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from workloads.workload import Model


class Goal(NamedTuple):
  """Target, budget and evaluations of a trial."""

  workload: str  # TimeTrial's name.
  metric: str  # Name of the target metric, without the split.
  lower: bool  # True if smaller values of the metric are better.
  target: float | None  # Validation target.
  test_target: float | None
  seconds: float  # Budget.
  eval_seconds: float  # Time from one evaluation to the next.
  eval_batch_size: int
  examples: Mapping[str, int]  # Number of evaluated examples, by split.
  evaluate: Callable[[Model, str], dict[str, float]]  # (model, split)
  accounts: Callable[[], Mapping[str, float]]  # The clock's accounts, seconds.
