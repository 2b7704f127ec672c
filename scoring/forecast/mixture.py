"""The calibrated mixture of all forecasters, behind their common interface."""

from collections.abc import Callable, Mapping

from scoring.forecast.annealing import annealing
from scoring.forecast.curve import Case
from scoring.forecast.nearest import nearest
from scoring.forecast.parametric import parametric
from scoring.forecast.paths import Outlook, Paths, outlook, widened

Forecaster = Callable[[Case], Paths | None]
FORECASTERS: Mapping[str, Forecaster] = {
  'nearest': nearest,
  'parametric': parametric,
  'annealing': annealing,
}
WIDTHS = (0.5, 1.0, 2.0)  # Every forecaster takes part in these widths.
MEMBERS = tuple((name, width) for name in FORECASTERS for width in WIDTHS)


def members(case: Case) -> dict[tuple[str, float], Outlook]:
  """Return the forecasts of all forecasters that have one, in all widths."""
  found = {}
  for name, forecaster in FORECASTERS.items():
    paths = forecaster(case)
    if paths is not None:
      for width in WIDTHS:
        found[name, width] = outlook(case, widened(paths, width))
  return found


def situation(case: Case) -> str:
  """Return what a mixture depends on: late or early, and what is known."""
  now = case.seen.shares[-1] if case.seen.shares.size else 0.0
  return ' '.join(
    [
      'late' if now >= 0.5 else 'early',
      'with rates' if case.seen.rates is not None else 'without rates',
    ]
  )
