"""The plan.json of a results folder, checked."""

import json
import pathlib
from typing import Any

from runner import records
from scoring.tree import Problem


class ReadError(ValueError):
  """There is nothing that can be scored; the message says why."""


def read(
  folder: pathlib.Path, needed: bool
) -> tuple[dict[str, Any] | None, list[Problem]]:
  """The plan; None where there is none, or where a damaged one is not needed.

  Raises:
    ReadError: it is damaged and needed.
  """
  path = folder / records.PLAN
  if not path.exists():
    return None, []
  try:
    plan = records.read_json(path)
    _check(plan)
  except (OSError, ValueError, LookupError, TypeError) as error:
    what = 'not JSON' if isinstance(error, json.JSONDecodeError) else 'damaged'
    reason = f'It is {what}: {type(error).__name__} {error}.'
    if needed:
      raise ReadError(
        f'{path}: {reason} Restore it, or score the folders without a plan by '
        'saying --rules=mini or the path of a .toml file.'
      ) from error
    return None, [Problem(records.PLAN, f'{reason} Read without it.')]
  return plan, []


def _check(plan: Any) -> None:
  """Every part that is used is there and of its kind."""
  kinds = {'submission': str, 'workload': str, 'study': int, 'trial': int}
  kinds |= {'id': str, 'hyperparameters': dict}
  for name, kind in (('rules', dict), ('seconds', dict), ('trials', list)):
    if not isinstance(plan[name], kind):
      raise TypeError(f'{name} is not a {kind.__name__}')
  for entry in plan['trials']:
    for name, kind in kinds.items():
      if not isinstance(entry[name], kind):
        raise TypeError(f'{name} = {entry[name]!r} in a trial')
    if pathlib.PurePath(entry['submission']).name != entry['submission']:
      raise ValueError(f'submission = {entry["submission"]!r} in a trial')
  for seconds in plan['seconds'].values():
    if not isinstance(seconds, int | float) or not seconds > 0:
      raise ValueError(f'a budget of {seconds!r} seconds')
  plan['suite'] = str(plan['suite'])
