"""The file trial.json: the definition of a trial, for its process."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from runner.protocol import plan_file
from runner.protocol.plan import FOR_EVER, Plan, PlannedTrial
from runner.protocol.suites import workload_spec
from runner.protocol.suites.workload_spec import WorkloadSpec
from runner.protocol.timing import accounts
from runner.protocol.timing.accounts import ALL, Charges

# Fields of a budget that an attempt gets from its runner.
FOR_ATTEMPT = ('beaten', 'beaten_steps', 'why')


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepLimits:
  """Stops and evaluations by steps instead of charged seconds.

  Attributes:
    steps: Steps after which a trial stops.
    eval_steps: Steps from one evaluation to the next.
    whole: Steps of the whole budget where a trial stops at others: a submission
      must not see by its progress that its time is being profiled.
  """

  steps: int
  eval_steps: int
  whole: int | None = None


@dataclasses.dataclass(frozen=True)
class Budget:
  """Times of a trial's evaluations and stop; all seconds are charged seconds.

  Attributes:
    seconds: Budget in seconds.
    eval_seconds: Seconds from one evaluation to the next.
    steps: Steps after which the trial stops in any case; None: no such stop.
    eval_steps: Steps from one evaluation to the next, instead of seconds.
    whole: Steps of the whole budget where `steps` are others, see StepLimits.
    beaten: Seconds after which this trial cannot change any score.
    beaten_steps: Steps after which it cannot; None: by steps, it always can.
    why: What has decided that.
  """

  seconds: float
  eval_seconds: float
  steps: int | None = None
  eval_steps: int | None = None
  whole: int | None = None
  beaten: float = math.inf
  beaten_steps: int | None = None
  why: str = 'another trial of its study counts'

  @property
  def end(self) -> float:
    """Charged seconds after which the trial is over."""
    return min(self.seconds, self.beaten)

  @property
  def last_step(self) -> int | None:
    """Step after which the trial is over; None: there is none."""
    known = [n for n in (self.steps, self.beaten_steps) if n is not None]
    return min(known, default=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialSpec:
  """One trial, as its folder defines it.

  Attributes:
    trial: The planned trial.
    suite: Name of the suite.
    ruleset: 'self' or 'external'.
    spec: The workload in the suite.
    budget: Stops and evaluations; what FOR_ATTEMPT names is not stored.
    budget_seconds: Charged seconds that the plan gives.
    sha256: Hash of the submission's source.
    plan: Hash of the plan.
    hashes: Hashes of the rules that all trials run under.
    data_dir: Folder of the datasets; None: the default one.
    shard_state: Whether devices share an optimizer's state.
    charges: What the suite charges.
    timed: Whether its seconds count; else its steps do.
  """

  trial: PlannedTrial
  suite: str
  ruleset: str
  spec: WorkloadSpec
  budget: Budget
  budget_seconds: float
  sha256: str
  plan: str
  hashes: Mapping[str, str]
  data_dir: str | None
  shard_state: bool
  charges: Charges = ALL
  timed: bool = True

  @property
  def tries_points(self) -> bool:
    """True if other trials try other points and no seconds are counted."""
    return not self.timed and self.ruleset == 'external'


def make(
  plan: Plan,
  trial: PlannedTrial,
  *,
  limits: StepLimits | None,
  data_dir: str | None,
  shard_state: bool,
  timed: bool = True,
) -> TrialSpec:
  """Return the definition of a trial for its process.

  Args:
    plan: The plan.
    trial: One of its trials.
    limits: Stops and evaluations by steps, if any.
    data_dir: Folder of the datasets; None: the default one.
    shard_state: Whether devices share an optimizer's state.
    timed: Whether its seconds count; if not, its budget is `limits`.
  """
  spec = plan.suite.workloads[trial.workload]
  seconds = plan.budgets[trial.workload] if timed else FOR_EVER
  factor = plan.suite.rulesets[plan.ruleset].budget_factor
  by_steps: dict[str, Any] = dataclasses.asdict(limits) if limits else {}
  return TrialSpec(
    trial=trial,
    suite=plan.suite.name,
    ruleset=plan.ruleset,
    spec=spec,
    budget=Budget(seconds, spec.eval_period(seconds, factor), **by_steps),
    budget_seconds=seconds,
    sha256=plan.sources[trial.submission].sha256,
    plan=plan.hash,
    hashes=plan_file.common_hashes(plan),
    data_dir=data_dir,
    shard_state=shard_state,
    charges=plan.suite.charges,
    timed=timed,
  )


def limited(spec: TrialSpec, limits: StepLimits) -> TrialSpec:
  """Return the trial with other stops and evaluations by steps."""
  budget = dataclasses.replace(spec.budget, **dataclasses.asdict(limits))
  return dataclasses.replace(spec, budget=budget)


def dump(spec: TrialSpec) -> dict[str, Any]:
  """Return the table that `parse` turns back into `spec`; fit for JSON."""
  table = dict(vars(spec))
  budget = dataclasses.asdict(table.pop('budget'))
  charges = table.pop('charges').to_json()
  return {
    **dataclasses.asdict(table.pop('trial')),
    'suite': table.pop('suite'),
    'ruleset': table.pop('ruleset'),
    'row': table.pop('spec').to_json(),
    'budget': {
      k: v for k, v in budget.items() if v is not None and k not in FOR_ATTEMPT
    },
    **charges,
    **table,
  }


def parse(table: Mapping[str, Any]) -> TrialSpec:
  """Return the trial in a table as JSON holds it.

  Raises:
    LookupError, TypeError, ValueError: a part is missing, or of another kind.
  """
  rest = dict(table)
  charges = accounts.from_json(rest)
  rest = {k: v for k, v in rest.items() if k not in accounts.KEYS}
  trial = PlannedTrial(
    **{field: rest.pop(field) for field in PlannedTrial.__annotations__}
  )
  return TrialSpec(
    **rest
    | {
      'trial': trial,
      'spec': workload_spec.from_json(trial.workload, rest.pop('row')),
      'budget': Budget(**rest.pop('budget')),
      'charges': charges,
    }
  )
