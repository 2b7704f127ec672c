"""Find trials, or parts of trials, that cannot change any score.

Trials are taken in the order of a saving runner: by submission, then workload
(held-out variants last), then study, then trial. A trial stops as soon as its
outcome no longer matters, by the rules of `scoring.load.limits`.

`replay` scores the remaining trials, which checks that no score changes.
"""

import collections
import math

import numpy as np

from scoring.load import limits
from scoring.load.limits import REASONS, Cell
from scoring.load.results import Results
from scoring.load.trial import Trial
from scoring.rank import score


def prune(
  results: Results, trials: list[Trial]
) -> tuple[list[Trial], dict[str, float]]:
  """Stop trials where that changes no score.

  Returns:
    The trials, and the seconds or steps saved by reason.
  """
  rules = results.rules
  cells = collections.defaultdict(lambda: collections.defaultdict(list))
  for trial in trials:
    key = trial.key
    cells[key.submission, key.workload][key.study].append(trial)
  saved = dict.fromkeys(REASONS, 0.0)
  rungs = range(len(rules.ladder))
  fastest: list[dict[str, float]] = [{} for _ in rungs]
  kept: list[Trial] = []
  for submission in sorted({trial.key.submission for trial in trials}):
    medians: list[dict[str, float]] = [{} for _ in rungs]
    for workload in rules.held_out_last:
      studies = cells[submission, workload]
      counted = [s for s in studies.values() if limits.counts(rules, s)]
      by_time = limits.by_time(rules, counted)
      ladder = [
        Cell(
          rung,
          by_time,
          len(counted),
          limits.outside(
            rules,
            workload,
            medians[rung],
            fastest[rung].get(workload, math.inf),
            len(counted),
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
          cell.times.append(limits.first(left, cell.rung, by_time))
        kept += left
      for cell, known, least in zip(ladder, medians, fastest, strict=True):
        times = np.array(cell.times)
        median = float(score.medians(times)) if times.size else math.inf
        known[workload] = median
        # A minimum can only fall, so limits from earlier minima stay valid.
        # A submission that missed the base of a variant on this rung, and ran
        # the variant for another rung, sets no time here.
        base = rules.workloads[workload].held_out_of
        counts = not base or not math.isinf(known[base])
        if counts and math.isfinite(median):
          least[workload] = min(median, least.get(workload, math.inf))
  return kept, saved


def _run(
  ladder: list[Cell], study: list[Trial], saved: dict[str, float]
) -> list[Trial]:
  """Return a study's trials, stopped where they matter on no rung."""
  kept: list[Trial] = []
  for trial in study:
    limit = limits.limit(ladder, kept, trial)
    if trial.open or limit.seconds >= trial.seconds:
      kept.append(trial)
      continue
    saved[limit.reason] += trial.seconds - limit.seconds
    kept.append(trial.until(limit.seconds))
  return kept
