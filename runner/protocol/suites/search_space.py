"""Points of a search space, in AlgoPerf's JSON form.

A space is a list of points, or a dictionary from names to
{'min', 'max', 'scaling': 'log' | 'linear'} or {'feasible_points': [...]}.
AlgoPerf's forks write 'uniform' instead of 'linear'.
"""

import math
import sys
from collections.abc import Sequence
from typing import Any

Point = dict[str, Any]


class SpaceError(ValueError):
  """A search space is malformed; the message says where and why."""


def points(space, count: int, seed: int, where: str) -> list[Point]:
  """Return the first `count` points of a space.

  Points of a list are taken in order. Ranges give a scrambled Halton sequence
  (Halton 1960, "On the efficiency of certain quasi-random sequences of
  points"), with one dimension per hyperparameter, in the order of the space.

  Args:
    space: A search space, see the module's docstring.
    count: Number of points; a shorter list gives all its points.
    seed: Seed of the scrambling.
    where: Place of the space, for messages.

  Raises:
    SpaceError: the space is malformed; the message begins with `where`.
  """
  if isinstance(space, list):
    return _listed(space, where)[:count]
  if not isinstance(space, dict) or not space:
    raise SpaceError(
      f'{where}: a search space is a dictionary of ranges or a list of points, '
      f'not {space!r}.'
    )
  for name, spec in space.items():
    check_range(spec, f'{where}: {name!r}')
  from scipy.stats import qmc  # noqa: PLC0415  Importing takes a second.

  units = qmc.Halton(len(space), rng=seed).random(count)
  return [
    {
      name: _value(spec, float(unit))
      for (name, spec), unit in zip(space.items(), row, strict=True)
    }
    for row in units
  ]


def near(spec: dict, value: Any, factor: float) -> dict:
  """Return the range of values near a value, for one hyperparameter.

  With a logarithmic scale, these are at most `factor` times larger or smaller.
  A linear range may end where a number has no meaning (a momentum of 1): values
  move by at most a quarter of the range and stay within. Of choices, neighbours
  of the value are near. What is no number stays.

  Args:
    spec: The whole range or choices.
    value: A value, in the range or not.
    factor: Above 1.
  """
  match spec:
    case {'feasible_points': choices} if _is_number(value):
      ordered = sorted({*filter(_is_number, choices), value})
      at = ordered.index(value)
      return {'feasible_points': ordered[max(0, at - 1) : at + 2]}
    case {'scaling': 'log'} if _is_number(value) and value > 0:
      low, high = value / factor, value * factor
      return {'min': low, 'max': high, 'scaling': 'log'}
    case {'min': low, 'max': high, 'scaling': 'linear' | 'uniform'} if (
      _is_number(value)
    ):
      low, high = min(low, value), max(high, value)
      quarter = (high - low) / 4
      low, high = max(low, value - quarter), min(high, value + quarter)
      return {'min': low, 'max': high, 'scaling': 'linear'}
  return {'feasible_points': [value]}


def box(points: Sequence[Point]) -> dict[str, dict]:
  """Return the smallest space that holds some points.

  A number gets the range of its values, on a logarithmic scale where all are
  above 0. Everything else is chosen among its values.

  Args:
    points: Points with the same names.
  """
  return {name: _span([one[name] for one in points]) for name in points[0]}


def _span(values: list) -> dict[str, Any]:
  different = [v for n, v in enumerate(values) if v not in values[:n]]
  numbers = all(isinstance(v, float) and _is_number(v) for v in different)
  if len(different) < 2 or not numbers:
    return {'feasible_points': different}
  scaling = 'log' if min(different) > 0 else 'linear'
  return {'min': min(different), 'max': max(different), 'scaling': scaling}


def _listed(space: list, where: str) -> list[Point]:
  if not space:
    raise SpaceError(
      f'{where}: the list of points is empty. Give at least one point.'
    )
  for number, point in enumerate(space):
    if not isinstance(point, dict) or point.keys() != space[0].keys():
      raise SpaceError(
        f'{where}: point {number} must be a dictionary with the same names as '
        f'the first point, not {point!r}.'
      )
  return space


def check_range(spec, where: str) -> None:
  """Raise SpaceError unless this is the range or the choices of one name.

  Args:
    spec: The range.
    where: Its place, for the message.
  """
  match spec:
    case {'feasible_points': list(values), **rest} if values and not rest:
      return
    case {
      'min': low,
      'max': high,
      'scaling': 'log' | 'linear' | 'uniform' as how,
      **rest,
    }:
      if rest or not _is_number(low) or not _is_number(high) or low > high:
        pass
      elif how == 'log' and low <= 0:
        raise SpaceError(f'{where}: log scaling needs min > 0, not {low!r}.')
      elif not math.isfinite(_extent(low, high, how)):
        raise SpaceError(
          f'{where}: from {low!r} to {high!r} is too far for a float. Use a '
          'smaller range.'
        )
      else:
        return
  raise SpaceError(
    f"{where}: {spec!r} is neither {{'min': a, 'max': b, 'scaling': 'log'}} "
    "(or 'linear'), with a <= b, nor {'feasible_points': [...]}."
  )


def _extent(low: float, high: float, how: str) -> float:
  """Return the ratio (log) or difference of the ends; inf if they overflow."""
  return high / low if how == 'log' else float(high) - float(low)


def _is_number(value) -> bool:
  """Test for a number that can end a range: finite as a float."""
  if isinstance(value, bool) or not isinstance(value, int | float):
    return False
  return abs(value) <= sys.float_info.max  # NaN compares as false.


def _value(spec: dict, unit: float):
  """Map a number in [0, 1) to a value of a range or choice."""
  if 'feasible_points' in spec:
    values = spec['feasible_points']
    return values[int(unit * len(values))]
  low, high = spec['min'], spec['max']
  if spec['scaling'] == 'log':
    return low * math.exp(unit * math.log(high / low))
  return low + unit * (high - low)
