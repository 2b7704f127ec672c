"""Points of a search space, in AlgoPerf's JSON form.

A space is a list of points, or a dictionary from names to
{'min', 'max', 'scaling': 'log' | 'linear'} or {'feasible_points': [...]}.
Spaces of AlgoPerf's forks write 'uniform' for 'linear'.
"""

import math
import sys
from typing import Any

REACH = 3.0  # How far from a number its neighbourhood goes, as a factor.

Point = dict[str, Any]


class SpaceError(ValueError):
  """What should be a search space is none; the message says where and why."""


def points(space, count: int, seed: int, where: str) -> list[Point]:
  """The first `count` points: of a list in order, else a scrambled Halton set.

  Halton 1960, "On the efficiency of certain quasi-random sequences of points";
  every hyperparameter, in the order of the space, is one dimension. A list
  that is shorter than `count` gives all it has.

  Raises:
    SpaceError: the space is not one; the message begins with `where`.
  """
  if isinstance(space, list):
    return _listed(space, where)[:count]
  if not isinstance(space, dict) or not space:
    raise SpaceError(
      f'{where}: a search space is a dictionary of ranges or a list of points, '
      f'not {space!r}.'
    )
  for name, spec in space.items():
    _check(spec, f'{where}: {name!r}')
  from scipy.stats import qmc  # noqa: PLC0415  A second to import, used here.

  units = qmc.Halton(len(space), rng=seed).random(count)
  return [
    {
      name: _value(spec, float(unit))
      for (name, spec), unit in zip(space.items(), row, strict=True)
    }
    for row in units
  ]


def around(space: dict[str, dict], point: Point) -> dict[str, dict]:
  """The part of a space that is near a point, and no hyperparameter less.

  A range becomes that of a factor REACH either way of the point's number, as
  far as the range goes, or the point where it lies outside. Several feasible
  points stay a choice. Everything else is as in the point, and so is what the
  space does not name.
  """
  near: dict[str, dict[str, Any]] = {
    name: {'feasible_points': [value]} for name, value in point.items()
  }
  for name, spec in space.items():
    value: Any = point.get(name)
    if len(spec.get('feasible_points', ())) > 1:
      near[name] = spec
    elif 'min' in spec and _is_number(value) and value > 0:
      low = max(value / REACH, min(value, spec['min']))
      high = min(value * REACH, max(value, spec['max']))
      near[name] = {'min': low, 'max': high, 'scaling': 'log'}
    elif 'min' in spec:
      near[name] = spec
  return near


def _listed(space: list, where: str) -> list[Point]:
  if not space:
    raise SpaceError(f'{where}: a list of points has one or more, not none.')
  for number, point in enumerate(space):
    if not isinstance(point, dict) or point.keys() != space[0].keys():
      raise SpaceError(
        f'{where}: point {number} must be a dictionary with the names of the '
        f'first point, not {point!r}.'
      )
  return space


def _check(spec, where: str) -> None:
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
        raise SpaceError(f'{where}: from {low!r} to {high!r} is too far.')
      else:
        return
  raise SpaceError(
    f"{where}: {spec!r} is neither {{'min': a, 'max': b, 'scaling': 'log'}} "
    "(or 'linear'), with a <= b, nor {'feasible_points': [...]}."
  )


def _extent(low: float, high: float, how: str) -> float:
  """What `_value` takes a part of; infinite where the ends are too far."""
  return high / low if how == 'log' else float(high) - float(low)


def _is_number(value) -> bool:
  """One that a range can end at: neither infinite nor too large for a float."""
  if isinstance(value, bool) or not isinstance(value, int | float):
    return False
  return abs(value) <= sys.float_info.max  # NaN compares as false.


def _value(spec: dict, unit: float):
  """Where a number in [0, 1) falls in a range."""
  if 'feasible_points' in spec:
    values = spec['feasible_points']
    return values[int(unit * len(values))]
  low, high = spec['min'], spec['max']
  if spec['scaling'] == 'log':
    return low * math.exp(unit * math.log(high / low))
  return low + unit * (high - low)
