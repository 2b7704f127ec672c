"""Plans: the exact list of trials of a race, and the rules for them."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from runner.protocol import layout
from runner.protocol.suites.suite import Suite
from runner.protocol.timing.accounts import Charges

HERE = pathlib.Path(__file__).resolve().parents[2]  # TimeTrial's folder.
FOR_EVER = 1e9  # Budget of a trial that stops by steps, in seconds.


class Speed(NamedTuple):
  """Speed of the reference algorithm on one workload."""

  compile_seconds: float
  step_seconds: float
  trace_seconds: float = 0.0

  def seconds(self, steps: int, charges: Charges) -> float:
    """Return the charged seconds of a number of steps."""
    once = self.compile_seconds if charges.compiling else 0.0
    return once + self.trace_seconds + steps * self.step_seconds


class TrialKey(NamedTuple):
  """Place of a trial in a race; keys sort in the order of boards."""

  submission: str
  workload: str
  study: int  # Number from 0.
  trial: int  # Number from 1, within the study.

  def __str__(self) -> str:
    return (
      f'{self.submission} on {self.workload} study {self.study} '
      f'trial {self.trial}'
    )

  def folder(self, out: pathlib.Path) -> pathlib.Path:
    """Return the folder of the trial in a results folder.

    Raises:
      RecordsError: a folder cannot have such a name or number.
    """
    return layout.folder(out, *self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedTrial:
  """One trial of a plan.

  Attributes:
    submission: Name of the submission.
    workload: Name of the workload.
    study: Number of the study, from 0.
    trial: Number of the trial within its study, from 1.
    seed: Seed of initial values and data.
    hyperparameters: Values of the hyperparameters, by name.
    id: Hash of everything that determines this trial.
  """

  submission: str
  workload: str
  study: int
  trial: int
  seed: int
  hyperparameters: dict[str, Any]
  id: str = ''

  @property
  def key(self) -> TrialKey:
    """Place of this trial in the race."""
    return TrialKey(self.submission, self.workload, self.study, self.trial)

  def folder(self, out: pathlib.Path) -> pathlib.Path:
    """Return the folder of this trial in a results folder."""
    return self.key.folder(out)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
  """Source of a submission when it was planned.

  Attributes:
    path: Its path. That of a submission of TimeTrial is relative to TimeTrial's
      folder: results are continued and published on other machines.
    sha256: Its hash.
  """

  path: str
  sha256: str

  @classmethod
  def at(cls, path: pathlib.Path, sha256: str) -> 'Source':
    """Return the source at an absolute path."""
    own = path.is_relative_to(HERE)
    return cls(path=str(path.relative_to(HERE) if own else path), sha256=sha256)

  @property
  def file(self) -> pathlib.Path:
    """Absolute path of the file or folder."""
    return HERE / self.path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
  """A kind of machine; the name tells kinds apart.

  Attributes:
    name: Name made from the facts; '' in a plan that has none.
    facts: 'name', 'cpu', 'cores', 'accelerators' and, if there are more than
      one, 'hosts'.
  """

  name: str
  facts: Mapping[str, Any]

  @property
  def cores(self) -> int:
    """Number of CPU cores."""
    return self.facts['cores']

  @property
  def accelerators(self) -> list[str]:
    """Models of the accelerators."""
    return self.facts['accelerators']


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """Trials to run, and the rules for them.

  Attributes:
    suite: The suite.
    ruleset: 'self' or 'external'.
    machine: The kind of machine that the budgets are for.
    budgets: Charged seconds of a trial by workload; empty: not calibrated.
    sources: Sources by submission.
    trials: All trials.
    also: Further kinds of machines that trials may run on.
    forgotten: Entries that were taken out, as plan.json has them.
    hashes: A hash of every rule; None in plans older than these hashes.
    exam: Whether models that reach the target are evaluated again, by a
      process without a submission; plans that are older do not say so.
    stop: 'safe' if trials without a chance may be stopped, else ''.
    hash: SHA-256 of the trials and the rules.
  """

  suite: Suite
  ruleset: str
  machine: Machine
  budgets: dict[str, float]
  sources: dict[str, Source]
  trials: tuple[PlannedTrial, ...]
  also: tuple[Machine, ...] = ()
  forgotten: tuple[Mapping[str, Any], ...] = ()
  hashes: Mapping[str, str] | None = dataclasses.field(default_factory=dict)
  exam: bool = False
  stop: str = ''
  hash: str = ''

  @property
  def hours(self) -> float | None:
    """Largest number of charged hours; None if a budget is unknown."""
    if set(self.budgets) != set(self.suite.workloads):
      return None
    return sum(self.budgets[t.workload] for t in self.trials) / 3600

  @property
  def kinds(self) -> set[str]:
    """Names of the kinds of machines that trials may run on."""
    return {m.name for m in (self.machine, *self.also) if m.name}

  @property
  def studies(self) -> int:
    """Least number of studies of a cell; single cells may have more."""
    return self.suite.rulesets[self.ruleset].studies

  def of(self, submission: str) -> tuple[PlannedTrial, ...]:
    """Return the trials of a submission."""
    return tuple(t for t in self.trials if t.submission == submission)
