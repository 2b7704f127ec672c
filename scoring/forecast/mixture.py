"""The calibrated mixture of all forecasters, behind their common interface.

The mixture is a linear pool. Each forecaster takes part in three widths: as it
is, and with its futures stretched about their median, because forecasters are
too sure on some workloads and not sure enough on others. The last value takes
part too. The weights have the
least continuous ranked probability score; docs/benchmarks/foresight.md.
"""

from collections.abc import Callable, Mapping

import numpy as np

from scoring.forecast.annealing import annealing
from scoring.forecast.baselines import last_value, pow3
from scoring.forecast.curve import Case
from scoring.forecast.nearest import LEAST_FINISHED, nearest
from scoring.forecast.parametric import parametric
from scoring.forecast.paths import Outlook, Paths, outlook, pool, widened

Forecaster = Callable[[Case], Paths | None]
FORECASTERS: Mapping[str, Forecaster] = {
  'nearest': nearest,
  'parametric': parametric,
  'annealing': annealing,
}
WIDTHS = (0.5, 1.0, 2.0)  # Every forecaster takes part in these widths.
UNCHANGED = ('last value', 1.0)  # Training that is over changes nothing more.
BASELINES: Mapping[str, Forecaster] = {'last value': last_value, 'pow3': pow3}
MEMBERS = (
  UNCHANGED,
  *((name, width) for name in FORECASTERS for width in WIDTHS),
)

# Fitted to all four boards by `python -m tests.benchmarks.foresight`, which
# prints this table and scores it on what did not fit it.
WEIGHTS: Mapping[str, Mapping[tuple[str, float], float]] = {
  'early': {
    ('nearest', 1.0): 0.66,
    ('nearest', 2.0): 0.17,
    ('parametric', 0.5): 0.09,
    ('parametric', 2.0): 0.07,
  },
  'early, alone': {
    ('last value', 1.0): 0.31,
    ('parametric', 0.5): 0.25,
    ('parametric', 2.0): 0.44,
  },
  'early, alone, rates': {
    ('last value', 1.0): 0.18,
    ('parametric', 2.0): 0.39,
    ('annealing', 0.5): 0.01,
    ('annealing', 2.0): 0.42,
  },
  'early, rates': {
    ('nearest', 0.5): 0.08,
    ('nearest', 1.0): 0.69,
    ('nearest', 2.0): 0.23,
  },
  'late': {
    ('nearest', 1.0): 0.32,
    ('nearest', 2.0): 0.57,
    ('parametric', 1.0): 0.02,
    ('parametric', 2.0): 0.09,
  },
  'late, alone': {
    ('last value', 1.0): 0.18,
    ('parametric', 0.5): 0.45,
    ('parametric', 2.0): 0.37,
  },
  'late, alone, rates': {
    ('last value', 1.0): 0.18,
    ('annealing', 1.0): 0.16,
    ('annealing', 2.0): 0.67,
  },
  'late, rates': {
    ('nearest', 0.5): 0.39,
    ('nearest', 1.0): 0.26,
    ('nearest', 2.0): 0.32,
    ('parametric', 0.5): 0.01,
    ('parametric', 1.0): 0.02,
  },
}


def members(case: Case) -> dict[tuple[str, float], Outlook]:
  """Return the forecasts of all forecasters that have one, in all widths."""
  found = {UNCHANGED: outlook(case, last_value(case))}
  for name, forecaster in FORECASTERS.items():
    paths = forecaster(case)
    if paths is not None:
      for width in WIDTHS:
        found[name, width] = outlook(case, widened(paths, width))
  return found


def situation(case: Case) -> str:
  """Return what the weights depend on, such as 'early, alone'."""
  now = case.seen.shares[-1] if case.seen.shares.size else 0.0
  found = ['late' if now >= 0.5 else 'early']
  found += [] if len(case.finished) >= LEAST_FINISHED else ['alone']
  found += [] if case.seen.rates is None else ['rates']
  return ', '.join(found)


def forecast(case: Case) -> Outlook:
  """Return the calibrated mixture of all forecasts; the last value without."""
  found = members(case)
  weights = np.array([WEIGHTS[situation(case)].get(one, 0) for one in found])
  if not weights.sum() > 0:
    return outlook(case, last_value(case))
  return pool(list(found.values()), weights / weights.sum())
