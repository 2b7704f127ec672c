"""Parts of a suite: workloads, rulesets and the interpretation of logs."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from runner.protocol.suites import metrics


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkloadSpec:
  """One workload of a suite.

  Attributes:
    workload: Registered name.
    metric: Name of the metric, without its split: 'loss'.
    better: 'lower' or 'higher'.
    target: Value to reach on the validation split; None while it is being set.
    steps: Step budget: the number of steps of the reference algorithm within
      the time budget.
    batch_size: Number of examples in a training batch.
    eval_batch_size: Number of examples in a batch of evaluations.
    train_examples: Number of training examples evaluated at the end.
    evaluations: Number of evaluations, evenly spread over the budget.
    steps_per_dispatch: Steps in one call of the compiled function; more than
      one if a step is shorter than its dispatch.
    seconds: Budget of a published board, which ran on its own hardware; None
      if the budget is calibrated.
    eval_seconds: Seconds between evaluations, set together with `seconds`.
    test_target: Target on the test split; it does not score.
    start: Value of the metric on the validation split where training begins;
      the easier targets of a suite's ladder lie between target and start.
    quirks: Names from the workload's QUIRKS.
    world: World of generated data; 0 for other data.
    held_out_of: Workload that loses its credit if this held-out variant is
      missed; a variant has no credit of its own.
    eval_examples: Largest number of validation and test examples; set by
      preflight only, not by suites.
  """

  workload: str
  metric: str
  better: str
  target: float | None
  steps: int
  batch_size: int
  eval_batch_size: int
  train_examples: int
  evaluations: int | None = None
  steps_per_dispatch: int = 1
  seconds: float | None = None
  eval_seconds: float | None = None
  test_target: float | None = None
  start: float | None = None
  quirks: tuple[str, ...] = ()
  world: int = 0
  held_out_of: str | None = None
  eval_examples: int | None = None

  @property
  def column(self) -> str:
    """Column of the target metric."""
    return f'validation/{self.metric}'

  @property
  def expected_evaluations(self) -> int:
    """Approximate number of evaluations within a budget."""
    if self.evaluations is not None:
      return self.evaluations
    return max(1, round((self.seconds or 0) / (self.eval_seconds or 1)))

  def eval_period(self, budget: float, factor: float) -> float:
    """Return the charged seconds between evaluations.

    Args:
      budget: Charged seconds of a trial.
      factor: The ruleset's budget factor, which `budget` contains.
    """
    if self.eval_seconds:
      return self.eval_seconds
    return budget / factor / self.expected_evaluations

  def reached(self, value):
    """Compare a number, or each number of an array, with the target.

    NaN never reaches a target. A missing target is never reached.
    """
    if self.target is None:
      return value != value  # noqa: PLR0124  False, in the value's shape.
    lower = self.better == 'lower'
    return value <= self.target if lower else value >= self.target

  def relaxed(self, share: float) -> 'WorkloadSpec':
    """Return a copy whose target is easier by a share of itself."""
    if self.target is None:
      return self
    # A negative target times 1 + share would be farther from zero.
    up = (self.better == 'lower') == (self.target >= 0)
    factor = 1 + share if up else 1 - share
    return dataclasses.replace(self, target=self.target * factor)

  def rung(self, share: float) -> 'WorkloadSpec':
    """Return a copy whose target is a share of the way back to the start.

    Args:
      share: A share of the suite's ladder; 0 is the exact target.
    """
    if self.target is None or not share:
      return self
    assert self.start is not None  # Suites are read with a start per target.
    easier = metrics.toward(self.metric, self.target, self.start, share)
    return dataclasses.replace(self, target=easier)

  def to_json(self) -> dict[str, Any]:
    """Return the fields that are set, without the name."""
    said = dataclasses.asdict(self) | {'quirks': list(self.quirks)}
    del said['workload']
    if not self.world:
      del said['world']  # Identities of trials are older than worlds.
    return {k: v for k, v in said.items() if v is not None and v != []}


def from_json(name: str, said: Mapping[str, Any]) -> WorkloadSpec:
  """Undo `WorkloadSpec.to_json`.

  Raises:
    TypeError: a field is missing or unknown.
  """
  known: dict[str, Any] = {'target': None} | dict(said)
  known['quirks'] = tuple(known.get('quirks', ()))
  return WorkloadSpec(workload=name, **known)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ruleset:
  """Amounts of tuning and of repetition of every submission."""

  studies: int
  trials: int  # Number of trials in each study.
  budget_factor: float  # Multiplies the calibrated seconds.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interpretation:
  """Interpretation of logs; the defaults are as AlgoPerf documents.

  Suites of published boards that were computed in another way have other values
  of INTERPRETATIONS.

  Attributes:
    fastest: Choice of the trial of a study that counts.
    missing: Result of a study without any evaluations.
    late: Result of a target that is reached after the budget.
    cut: Order of the cutoff and of held-out variants.
  """

  fastest: str = 'time'
  missing: str = 'open'
  late: str = 'missed'
  cut: str = 'last'


INTERPRETATIONS = {
  'fastest': {
    'time': 'the trial with the least time',
    'evaluation': 'the trial with the fewest evaluations, then the least time',
  },
  'missing': {
    'open': 'a study that was not run leaves its cell open',
    'missed': 'a study that was not run is a miss',
    'left out': 'a study that was not run is left out of the median, and a '
    'workload without any is missed',
  },
  'late': {
    'missed': 'a target that is met after the budget is missed',
    'counts': 'a target that is met after the budget counts',
  },
  'cut': {
    'last': 'a submission that misses a held-out variant is excluded before '
    'the fastest time is found',
    'first': 'a submission that misses a held-out variant may still set the '
    'fastest time for the cutoff',
  },
}
