"""Find trials, or parts of trials, that cannot change any score.

Trials are taken in the order of a saving runner: by submission, then workload
(held-out variants last), then study, then trial. A trial stops as soon as its
outcome no longer matters:

- beaten: another trial of its study counts, whatever this trial does;
- decided: the median over studies is the same for every later time;
- beyond: the trial is so much slower than an earlier submission that its cell
  gives no credit;
- no matter: the base workload of its variant was missed.

A suite with a ladder has several targets. There a trial stops as soon as its
outcome matters on none of them.

`replay` scores the remaining trials, which checks that no score changes.
"""

import collections
import math
from typing import NamedTuple

import numpy as np

from scoring.load.results import Results
from scoring.load.trial import MISSING, Trial
from scoring.rank import score

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


class _Cell(NamedTuple):
  """Stopping rules for the trials of one submission on one workload.

  Each is for one rung of the ladder.
  """

  rung: int
  by_time: bool  # True if the trial with the least time counts.
  total: int  # Studies that take part in the median.
  outside: Limit  # Limit known before the first trial.
  times: list[float]  # Times of earlier studies.


def prune(
  results: Results, trials: list[Trial]
) -> tuple[list[Trial], dict[str, float]]:
  """Stop trials where that changes no score.

  Returns:
    The trials, and the hours saved by reason.
  """
  cells = collections.defaultdict(lambda: collections.defaultdict(list))
  for trial in trials:
    key = trial.key
    cells[key.submission, key.workload][key.study].append(trial)
  saved = dict.fromkeys(REASONS, 0.0)
  rungs = range(len(results.rules.ladder))
  fastest: list[dict[str, float]] = [{} for _ in rungs]
  kept: list[Trial] = []
  for submission in sorted({trial.key.submission for trial in trials}):
    medians: list[dict[str, float]] = [{} for _ in rungs]
    for workload in results.rules.held_out_last:
      studies = cells[submission, workload]
      counted = [s for s in studies.values() if _counts(results, s)]
      by_time = results.rules.interpretation.fastest == 'time' or all(
        len(study) == 1 for study in counted
      )
      ladder = [
        _Cell(
          rung,
          by_time,
          len(counted),
          _outside(
            results, workload, medians[rung], fastest[rung], len(counted)
          ),
          [],
        )
        for rung in rungs
      ]
      for study in studies.values():
        if study not in counted:
          kept += study
          continue
        left = _run(ladder, study, saved)
        for cell in ladder:
          cell.times.append(_first(left, cell))
        kept += left
      for cell, known, least in zip(ladder, medians, fastest, strict=True):
        times = np.array(cell.times)
        median = float(score.medians(times)) if times.size else math.inf
        known[workload] = median
        # A minimum can only fall, so limits from earlier minima stay valid.
        # A submission that missed the base of a variant on this rung, and ran
        # the variant for another rung, sets no time here.
        base = results.rules.workloads[workload].held_out_of
        counts = not base or not math.isinf(known[base])
        if counts and math.isfinite(median):
          least[workload] = min(median, least.get(workload, math.inf))
  return kept, saved


def _counts(results: Results, study: list[Trial]) -> bool:
  """Return True if the study takes part in the median."""
  left_out = results.rules.interpretation.missing == 'left out'
  return not left_out or any(t.state != MISSING for t in study)


def _outside(
  results: Results, workload: str, medians, fastest, studies: int
) -> Limit:
  """Return the limit that other cells set.

  A submission beyond the cutoff on a base workload still takes part in its
  variants, so a base workload with variants has no such limit. With an even
  number of studies, the median is the mean of two times. The other time may be
  close to 0, so the limit is twice as high.
  """
  rules = results.rules
  base = rules.workloads[workload].held_out_of
  if base and math.isinf(medians[base]):
    return Limit(0.0, 'no matter')
  if any(row.held_out_of == workload for row in rules.workloads.values()):
    return Limit(math.inf, '')
  factor = rules.cutoff * (1 if studies % 2 else 2)
  return Limit(factor * fastest.get(workload, math.inf), 'beyond')


def _run(
  ladder: list[_Cell], study: list[Trial], saved: dict[str, float]
) -> list[Trial]:
  """Return a study's trials, stopped where they matter on no rung."""
  kept: list[Trial] = []
  for trial in study:
    limit = max(_limit(cell, kept, trial) for cell in ladder)
    if trial.open or limit.seconds >= trial.seconds:
      kept.append(trial)
      continue
    saved[limit.reason] += (trial.seconds - limit.seconds) / 3600
    kept.append(trial.until(limit.seconds))
  return kept


def _limit(cell: _Cell, before: list[Trial], trial: Trial) -> Limit:
  """Return when a trial stops to matter on one rung."""
  limits = [cell.outside, _decided(cell), _beaten(cell, before, trial)]
  if not cell.by_time:
    # A slow trial with few evaluations may be the trial that counts, so its
    # time alone decides nothing.
    limits = [x for x in limits if x.seconds == 0 or x.reason == 'beaten']
  return min(limits, default=Limit(math.inf, ''))


def _decided(cell: _Cell) -> Limit:
  known = sorted(cell.times)
  upper = cell.total // 2  # Index of the middle, or the upper of two middles.
  if any(map(math.isnan, known)):
    return Limit(math.inf, '')
  if sum(map(math.isinf, known)) >= cell.total - upper:
    return Limit(0.0, 'decided')  # The median is infinite in any case.
  return Limit(known[upper] if len(known) > upper else math.inf, 'decided')


def _beaten(cell: _Cell, before: list[Trial], trial: Trial) -> Limit:
  hits = _hits(before, cell.rung)
  if not hits:
    return Limit(math.inf, '')
  if cell.by_time:
    return Limit(min(seconds for _, seconds in hits), 'beaten')
  # The least time decides between trials with equally many evaluations.
  least = min(at for at, _ in hits)
  if least >= len(trial.evals.seconds):
    return Limit(math.inf, '')
  return Limit(float(trial.evals.seconds[least]), 'beaten')


def _first(trials: list[Trial], cell: _Cell) -> float:
  """Return the study's time on a rung; inf: missed, NaN: open."""
  if any(trial.open and trial.state != MISSING for trial in trials):
    return math.nan
  found = _hits(trials, cell.rung)
  hits = [(0 if cell.by_time else at, seconds) for at, seconds in found]
  return min(hits)[1] if hits else math.inf


def _hits(trials: list[Trial], rung: int) -> list[tuple[int, float]]:
  """Return (index of the evaluation, charged seconds) of each hit."""
  return [
    (at, trial.measured('seconds', rung))
    for trial in trials
    if trial.hits and (at := trial.hits[rung]) is not None
  ]
