"""The plan.json of a results folder, checked."""

import json
import os
import pathlib
from typing import Any

from runner import records
from scoring.files import is_time, plain
from scoring.tree import Problem

PARTS = {  # Those that are used, and of which kind they must be.
  'suite': str,
  'ruleset': str,
  'rules': dict,
  'hardware': dict,
  'seconds': dict,
  'sources': dict,
  'hash': str,
  'trials': list,
}
TRIAL = {
  'submission': str,
  'workload': str,
  'study': int,
  'trial': int,
  'seed': int,
  'hyperparameters': dict,
  'id': str,
}


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
  if not os.path.lexists(path):
    return None, []
  try:
    plan = records.read_json(plain(path))
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
  for name in ('suite', 'rules', 'seconds', 'trials'):
    plan[name]  # A LookupError where it is lacking.
  for name, kind in PARTS.items():
    if name in plan and not isinstance(plan[name], kind):
      raise TypeError(f'{name} is not a {kind.__name__}')
  places = set()
  for entry in plan['trials']:
    for name, kind in TRIAL.items():
      value = entry[name]
      if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f'{name} = {value!r} in a trial')
    key = (entry['submission'], entry['workload'])
    place = records.folder('', *key, entry['study'], entry['trial'])
    if place in places:
      raise ValueError(f'{place} is planned twice')
    places.add(place)
  for seconds in plan['seconds'].values():
    if not is_time(seconds) or not seconds:
      raise ValueError(f'a budget of {seconds!r} seconds')
