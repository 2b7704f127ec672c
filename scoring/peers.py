"""Evaluations that take more processor time than those of other entries.

Evaluations are free of charge. What one costs is decided by the workload, the
machine and the data, and not by who trains. A submission whose evaluations
take much more has work done beside them.
"""

import collections
import statistics
from collections.abc import Iterable, Iterator

from scoring.load.details import Details
from scoring.load.trial import Trial

FACTOR = 1.5  # Times the median of the other submissions.
SLACK = 0.3  # Processor seconds of one evaluation.
FEWEST = 3  # Other submissions that a comparison needs.


def unusual(
  known: Iterable[tuple[Trial, Details]],
) -> Iterator[tuple[Trial, str]]:
  """Yield trials whose evaluations stand out, and why they are doubted.

  A trial is compared with other submissions on the same workload and kind of
  machine, by the median of its evaluations on the validation split. The first
  evaluation of an attempt is left out, because it compiles.

  Args:
    known: Trials of one results folder, with their details.
  """
  groups = collections.defaultdict(list)
  for trial, details in known:
    if details.evaluation_seconds:
      spent = statistics.median(details.evaluation_seconds)
      groups[trial.key.workload, trial.kinds].append((trial, spent))
  for cell in groups.values():
    by_name = collections.defaultdict(list)
    for trial, spent in cell:
      by_name[trial.key.submission].append(spent)
    medians = {name: statistics.median(all_) for name, all_ in by_name.items()}
    for trial, spent in cell:
      others = [x for n, x in medians.items() if n != trial.key.submission]
      if len(others) < FEWEST:
        continue
      usual = statistics.median(others)
      if spent > FACTOR * usual + SLACK:
        yield (
          trial,
          f'An evaluation took {spent:.2f} s of processor time; those of '
          f'{len(others)} other submissions on this workload took {usual:.2f} '
          's. Work may have been done beside it, free of charge.',
        )
