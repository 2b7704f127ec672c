"""Find when a trial can no longer change any score.

Four facts end a trial:

- beaten: another trial of its study counts, whatever this trial does;
- decided: the median over studies is the same for every later time;
- beyond: the trial is so much slower than another submission that its cell
  gives no credit;
- no matter: the base workload of its variant was missed.

A suite with a ladder has several targets. There a trial stops as soon as its
outcome matters on none of them.

`scoring.rank.pruning` applies these rules to logs, `scoring.advise` to trials
that are about to run, and `scoring.load.pruned` to trials that were stopped.

By steps, trials of one program can be compared, as they take the same time for
a step. Trials of different programs or submissions cannot.
"""

import collections
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from runner.protocol.plan import TrialKey
from runner.protocol.suites.suite import Suite
from runner.protocol.timing.programs import Program
from scoring.load.trial import BEATEN, MISSING, Trial

Programs = Mapping[TrialKey, Program]

REASONS = {
  'beaten': 'another trial of its study counts',
  'decided': 'the median of its studies was decided',
  'beyond': 'it was beyond the cutoff',
  'no matter': 'the base of its held-out variant was missed',
}


class Limit(NamedTuple):
  """Charged seconds after which a trial does not matter, and why."""

  seconds: float
  reason: str


NO_LIMIT = Limit(math.inf, '')


class Cell(NamedTuple):
  """Stopping rules for the trials of one submission on one workload.

  Each is for one rung of the ladder.
  """

  rung: int
  by_time: bool  # True if the trial with the least time counts.
  total: int  # Studies that take part in the median.
  outside: Limit  # Limit that other cells set.
  times: list[float]  # Times of other studies; NaN: not known.


def counts(rules: Suite, study: Sequence[Trial]) -> bool:
  """Return True if the study takes part in the median."""
  left_out = rules.interpretation.missing == 'left out'
  return not left_out or any(t.state != MISSING for t in study)


def by_time(rules: Suite, counted: Iterable[Sequence[Trial]]) -> bool:
  """Return True if the trial with the least time counts in every study."""
  return rules.interpretation.fastest == 'time' or all(
    len(study) == 1 for study in counted
  )


def outside(
  rules: Suite,
  workload: str,
  medians: Mapping[str, float],
  fastest: float,
  studies: int,
) -> Limit:
  """Return the limit that other cells set.

  A submission beyond the cutoff on a base workload still takes part in its
  variants, so a base workload with variants has no such limit. With an even
  number of studies, the median is the mean of two times. The other time may be
  close to 0, so the limit is twice as high.

  Args:
    rules: The suite.
    workload: The workload of the cell.
    medians: The submission's known medians by workload.
    fastest: Least median of other submissions on the workload.
    studies: Studies that take part in the median.
  """
  base = rules.workloads[workload].held_out_of
  if base and math.isinf(medians.get(base, math.nan)):
    return Limit(0.0, 'no matter')
  if any(row.held_out_of == workload for row in rules.workloads.values()):
    return NO_LIMIT
  factor = rules.cutoff * (1 if studies % 2 else 2)
  return Limit(factor * fastest, 'beyond')


def limit(
  ladder: Sequence[Cell], others: Sequence[Trial], trial: Trial
) -> Limit:
  """Return when a trial stops to matter on every rung.

  Args:
    ladder: The trial's cell on each rung.
    others: Other trials of its study.
    trial: The trial.
  """
  return max(_of_rung(cell, others, trial) for cell in ladder)


def _of_rung(cell: Cell, others: Sequence[Trial], trial: Trial) -> Limit:
  found = [cell.outside, _decided(cell), _beaten(cell, others, trial)]
  if not cell.by_time:
    # A slow trial with few evaluations may be the trial that counts, so its
    # time alone decides nothing.
    found = [x for x in found if x.seconds == 0 or x.reason == 'beaten']
  return min(found, default=NO_LIMIT)


def _decided(cell: Cell) -> Limit:
  known = sorted(time for time in cell.times if not math.isnan(time))
  upper = cell.total // 2  # Index of the middle, or the upper of two middles.
  if sum(map(math.isinf, known)) >= cell.total - upper:
    return Limit(0.0, 'decided')  # The median is infinite in any case.
  return Limit(known[upper] if len(known) > upper else math.inf, 'decided')


def _beaten(cell: Cell, others: Sequence[Trial], trial: Trial) -> Limit:
  found = hits(others, cell.rung)
  if not found:
    return NO_LIMIT
  if cell.by_time:
    return Limit(min(seconds for _, seconds in found), 'beaten')
  # The least time decides between trials with equally many evaluations.
  least = min(at for at, _ in found)
  if least >= len(trial.evals.seconds):
    return NO_LIMIT
  return Limit(float(trial.evals.seconds[least]), 'beaten')


def first(trials: Sequence[Trial], rung: int, by_time: bool) -> float:
  """Return the study's time on a rung; inf: missed, NaN: open.

  Args:
    trials: Trials of one study.
    rung: Index of the target in the suite's ladder.
    by_time: True if the trial with the least time counts.
  """
  if any(trial.open and trial.state != MISSING for trial in trials):
    return math.nan
  found = [
    (0 if by_time else at, seconds) for at, seconds in hits(trials, rung)
  ]
  return min(found)[1] if found else math.inf


def hits(trials: Sequence[Trial], rung: int) -> list[tuple[int, float]]:
  """Return (index of the evaluation, charged seconds) of each hit."""
  return [
    (at, trial.measured('seconds', rung))
    for trial in trials
    if trial.hits and (at := trial.hits[rung]) is not None
  ]


class Field:
  """Limits of single trials, from all other trials of a results folder.

  Trials that are open say nothing, and neither do those that were stopped:
  what a stopped trial would have reached is known only up to its stop.
  """

  def __init__(
    self,
    rules: Suite,
    trials: Iterable[Trial],
    programs: Programs | None = None,
  ):
    """Sort the trials into cells.

    Args:
      rules: The suite, with the interpretation that applies.
      trials: All trials.
      programs: Programs of the trials, if their times are steps; None: times
        of all trials can be compared.
    """
    self._rules = rules
    self._programs = programs
    self._cells: dict[Any, dict[int, list[Trial]]] = collections.defaultdict(
      lambda: collections.defaultdict(list)
    )
    for trial in trials:
      key = trial.key
      self._cells[key.submission, key.workload][key.study].append(trial)
    self._names = sorted({submission for submission, _ in self._cells})

  def limit(self, trial: Trial) -> Limit:
    """Return when a trial stops to matter, whatever it does."""
    studies = self._cells[trial.key[:2]]
    counted = {n: s for n, s in studies.items() if counts(self._rules, s)}
    rungs = range(len(self._rules.ladder))
    ladder = [self._cell(trial, counted, rung) for rung in rungs]
    others = [
      one
      for one in studies[trial.key.study]
      if one.key != trial.key and self._alike(one, trial)
    ]
    return limit(ladder, others, trial)

  def _cell(
    self, trial: Trial, counted: Mapping[int, list[Trial]], rung: int
  ) -> Cell:
    submission, workload, number, _ = trial.key
    least = by_time(self._rules, counted.values())
    times = [
      time
      for study, some in counted.items()
      if study != number
      and (
        math.isinf(time := self._known(some, rung, least))
        or all(self._alike(one, trial) for one in some)
      )
    ]
    row = self._rules.workloads[workload]
    bases = [row.held_out_of] if row.held_out_of else []
    found = outside(
      self._rules,
      workload,
      {base: self._median(submission, base, rung) for base in bases},
      self._fastest(workload, rung, submission),
      len(counted),
    )
    return Cell(rung, least, len(counted), found, times)

  def _alike(self, one: Trial, other: Trial) -> bool:
    """Return True if the times of two trials can be compared."""
    known = self._programs
    return known is None or known.get(one.key) == known.get(other.key)

  def _known(self, study: Sequence[Trial], rung: int, least: bool) -> float:
    """Return a study's time; NaN if what is stopped or open may change it."""
    if any(trial.open for trial in study):
      return math.nan
    time = first(study, rung, least)
    return math.nan if _until(study, rung) < time else time

  @functools.cache  # noqa: B019  A field lives as long as one question.
  def _median(self, submission: str, workload: str, rung: int) -> float:
    """Return the median of a cell; NaN if it is not known."""
    studies = self._cells.get((submission, workload), {}).values()
    counted = [study for study in studies if counts(self._rules, study)]
    least = by_time(self._rules, counted)
    times = [self._known(study, rung, least) for study in counted]
    total, upper = len(times), len(times) // 2
    known = sorted(time for time in times if not math.isnan(time))
    if total and sum(map(math.isinf, known)) >= total - upper:
      return math.inf
    if len(known) <= upper or not math.isfinite(known[upper]):
      return math.nan
    # Studies were stopped; none of them can be among the middle ones.
    for study, time in zip(counted, times, strict=True):
      if math.isnan(time) and _until(study, rung) < known[upper]:
        return math.nan
    return (known[(total - 1) // 2] + known[upper]) / 2

  @functools.cache  # noqa: B019  The same.
  def _least(self, workload: str, rung: int) -> dict[str, float]:
    """Return the known and finite medians of a workload by submission."""
    base = self._rules.workloads[workload].held_out_of
    found = {}
    for name in self._names:
      if base and not math.isfinite(self._median(name, base, rung)):
        continue  # It sets no time: it does not count on the variant.
      median = self._median(name, workload, rung)
      if math.isfinite(median):
        found[name] = median
    return found

  def _fastest(self, workload: str, rung: int, but: str) -> float:
    """Return the least median of other submissions; inf if there is none."""
    if self._programs is not None:
      return math.inf
    found = self._least(workload, rung)
    return min(
      (s for name, s in found.items() if name != but), default=math.inf
    )


def _until(study: Iterable[Trial], rung: int) -> float:
  """Return until when nothing is unknown about a study; -inf if it is open."""
  if any(trial.open for trial in study):
    return -math.inf
  return min(
    (
      trial.seconds
      for trial in study
      if trial.state == BEATEN and trial.hits[rung] is None
    ),
    default=math.inf,
  )
