"""What plan.json holds: its parts, and what its trials are known by.

The standard library only: scoring reads plans without JAX.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from runner import records

PARTS = {  # Of a plan: those that are used, and of which kind they must be.
  'suite': str,
  'ruleset': str,
  'rules': dict,
  'hardware': dict,
  'also': list,
  'seconds': dict,
  'sources': dict,
  'hash': str,
  'trials': list,
}
PLANNED = {  # Of a trial in it.
  'submission': str,
  'workload': str,
  'study': int,
  'trial': int,
  'seed': int,
  'hyperparameters': dict,
  'id': str,
}


def seed(suite: int, workload: str, study: int, trial: int) -> int:
  """The seed of a trial: that of no other, but for other submissions'."""
  return int(_sha256([suite, workload, study, trial]), 16) % 2**31


def identity(
  trial: Mapping[str, Any], sha256: str, row: Mapping[str, Any]
) -> str:
  """Twelve digits that change with anything a trial depends on.

  Args:
    trial: With its fields of plan.json; an id is not looked at.
    sha256: Of the submission's source.
    row: The workload in the rules.
  """
  facts = [trial['submission'], sha256, [trial['workload'], row]]
  facts += [trial[n] for n in ('study', 'trial', 'seed', 'hyperparameters')]
  return _sha256(facts)[:12]


def digest(ids: Iterable[str]) -> str:
  """Of a whole plan, from the identities of its trials."""
  return _sha256(sorted(ids))


def check(plan: Any) -> None:
  """Every part of a stored plan that is used is there and of its kind.

  Raises:
    LookupError, TypeError, ValueError: one is not.
  """
  for name in ('suite', 'rules', 'seconds', 'trials'):
    plan[name]  # A LookupError where it is lacking.
  for name, kind in PARTS.items():
    if name in plan and not isinstance(plan[name], kind):
      raise TypeError(f'{name} is not a {kind.__name__}')
  kinds(plan)  # A TypeError where a machine is no table.
  places = set()
  for entry in plan['trials']:
    for name, kind in PLANNED.items():
      value = entry[name]
      if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f'{name} = {value!r} in a trial')
    key = (entry['submission'], entry['workload'])
    place = records.folder('', *key, entry['study'], entry['trial'])
    if place in places:
      raise ValueError(f'{place} is planned twice')
    places.add(place)
  for seconds in plan['seconds'].values():
    if not records.is_time(seconds) or not seconds:
      raise ValueError(f'a budget of {seconds!r} seconds')


def kinds(plan: Mapping[str, Any]) -> set[str]:
  """Names of the kinds of hardware that a plan's trials may run on."""
  machines = [plan.get('hardware', {}), *plan.get('also', ())]
  return {str(machine['name']) for machine in machines if 'name' in machine}


def _sha256(value: Any) -> str:
  text = json.dumps(value, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()
