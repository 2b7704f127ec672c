"""Which trials, or parts of them, cannot change any score.

Trials are taken in the order of a runner that wants to save: submission after
submission, workload after workload, held-out variants last, study after study,
trial after trial. A trial is stopped at the first moment from which on no
outcome of it matters:

- beaten: another trial of its study counts instead, whatever this one does;
- decided: the median over studies is the same for every later time;
- beyond: so much slower than a submission that has been run that its cell gives
  no credit;
- no matter: on a variant whose base workload was missed.

That nothing moves is not taken for granted: `replay` scores what is left.
"""

import collections
import math
from typing import NamedTuple

import numpy as np

from scoring.load.results import Results
from scoring.load.trials import MISSING, Trial
from scoring.rank import score

REASONS = {
  'beaten': 'another trial of its study counts',
  'decided': 'the median of its studies was decided',
  'beyond': 'it was beyond the cutoff',
  'no matter': 'the base of its held-out variant was missed',
}


class Limit(NamedTuple):
  """From which charged second on a trial does not matter, and why."""

  seconds: float
  reason: str


class _Cell(NamedTuple):
  """How the trials of one submission on one workload may be stopped."""

  by_time: bool  # The fastest trial is the one with the least time.
  total: int  # Studies that take part in the median.
  outside: Limit  # Known before its first trial.


def prune(
  results: Results, trials: list[Trial]
) -> tuple[list[Trial], dict[str, float]]:
  """The trials, stopped where that changes nothing, and hours by reason."""
  cells = collections.defaultdict(lambda: collections.defaultdict(list))
  for trial in trials:
    key = trial.key
    cells[key.submission, key.workload][key.study].append(trial)
  saved = dict.fromkeys(REASONS, 0.0)
  fastest: dict[str, float] = {}
  kept: list[Trial] = []
  for submission in sorted({trial.key.submission for trial in trials}):
    medians: dict[str, float] = {}
    for workload in results.rules.held_out_last:
      studies = cells[submission, workload]
      counted = [s for s in studies.values() if _counts(results, s)]
      by_time = results.rules.interpretation.fastest == 'time' or all(
        len(study) == 1 for study in counted
      )
      outside = _outside(results, workload, medians, fastest, len(counted))
      cell = _Cell(by_time, len(counted), outside)
      times: list[float] = []
      for study in studies.values():
        if study not in counted:
          kept += study
          continue
        left = _run(cell, times, study, saved)
        times.append(_first(left, by_time))
        kept += left
      median = float(score.medians(np.array(times))) if times else math.inf
      medians[workload] = median
      # Minima only fall, so the limits that follow from them stay right.
      if math.isfinite(median):
        fastest[workload] = min(median, fastest.get(workload, math.inf))
  return kept, saved


def _counts(results: Results, study: list[Trial]) -> bool:
  """Whether the study takes part in the median."""
  left_out = results.rules.interpretation.missing == 'left out'
  return not left_out or any(t.state != MISSING for t in study)


def _outside(
  results: Results, workload: str, medians, fastest, studies: int
) -> Limit:
  """The limit that other cells set.

  Who is beyond the cutoff on a base still takes part in its variants, so there
  the cutoff is none of the limits. Of an even number of studies the median is
  the mean of two, the other of which may be as fast as nothing: twice the time.
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
  cell: _Cell, times: list[float], study: list[Trial], saved: dict[str, float]
) -> list[Trial]:
  """The study's trials, stopped; `times` are those of the studies before."""
  kept: list[Trial] = []
  for trial in study:
    limits = [cell.outside, _decided(cell, times), _beaten(cell, kept, trial)]
    if not cell.by_time:
      # A slow trial with few evaluations may be the one that counts, so that
      # its time alone says nothing.
      limits = [x for x in limits if x.seconds == 0 or x.reason == 'beaten']
    limit = min(limits, default=Limit(math.inf, ''))
    if trial.open or limit.seconds >= trial.seconds:
      kept.append(trial)
      continue
    saved[limit.reason] += (trial.seconds - limit.seconds) / 3600
    kept.append(trial.until(limit.seconds))
  return kept


def _decided(cell: _Cell, times: list[float]) -> Limit:
  known = sorted(times)
  upper = cell.total // 2  # The later one of the middle two, or the middle.
  if any(map(math.isnan, known)):
    return Limit(math.inf, '')
  if sum(map(math.isinf, known)) >= cell.total - upper:
    return Limit(0.0, 'decided')  # Infinite, whatever comes.
  return Limit(known[upper] if len(known) > upper else math.inf, 'decided')


def _beaten(cell: _Cell, before: list[Trial], trial: Trial) -> Limit:
  hits = [other for other in before if other.at is not None]
  if not hits:
    return Limit(math.inf, '')
  if cell.by_time:
    return Limit(min(other.hit for other in hits), 'beaten')
  # At the same number of evaluations, the one with the least time counts.
  least = min(other.at for other in hits if other.at is not None)
  if least >= len(trial.evals.seconds):
    return Limit(math.inf, '')
  return Limit(float(trial.evals.seconds[least]), 'beaten')


def _first(trials: list[Trial], by_time: bool) -> float:
  """The study's time: inf: missed, NaN: open."""
  if any(trial.open and trial.state != MISSING for trial in trials):
    return math.nan
  hits = [(0 if by_time else t.at, t.hit) for t in trials if t.at is not None]
  return min(hits)[1] if hits else math.inf
