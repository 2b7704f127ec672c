"""What plan.json holds: its parts, and what its trials are known by.

The standard library only: scoring reads plans without JAX.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from runner.protocol import layout, schema

PARTS = {  # Of a plan: those that are used, and of which kind they must be.
  'suite': str,
  'ruleset': str,
  'rules': dict,
  'hardware': dict,
  'also': list,
  'seconds': dict,
  'sources': dict,
  'hashes': dict,
  'hash': str,
  'trials': list,
}
# Parts whose every value has a hash of its own: a board hangs on them, and the
# identities of trials say nothing of them.
HASHED = ('suite', 'ruleset', 'rules', 'hardware', 'also', 'seconds')
# Values of these parts that a trial's folder tells otherwise, or that may grow
# when more is planned.
OWN = re.compile(r'rules\.(workloads|unscored)\..*|.*\.(studies|trials)')
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


def digest(ids: Iterable[str], hashes: Mapping[str, str] | None = None) -> str:
  """SHA-256 of a whole plan.

  Args:
    ids: Identities of its trials.
    hashes: Of its rules, as `rule_hashes`; None in plans of before they had
      them, whose hash says nothing of cutoff, reference, budgets and readings.
  """
  return _sha256(sorted(ids) if hashes is None else [sorted(ids), hashes])


def rule_hashes(plan: Mapping[str, Any]) -> dict[str, str]:
  """Twelve digits for every rule and budget: {'rules.cutoff': 'a1b2...'}."""
  return {name: _sha256(value)[:12] for name, value in _rules(plan).items()}


def common_hashes(plan: Mapping[str, Any]) -> dict[str, str]:
  """As `rule_hashes`, of the rules that all trials ran under.

  Trials keep them in their folders. Left out are rows of workloads, of which
  each trial keeps its own; how many studies and trials there are; and machines
  and budgets, of which there may come more.
  """
  return {
    name: value
    for name, value in rule_hashes(plan).items()
    if not OWN.fullmatch(name)
    and name.partition('.')[0] in ('suite', 'ruleset', 'rules')
  }


def sealed(plan: Mapping[str, Any]) -> dict[str, Any]:
  """The plan with the hashes of what it says now.

  Everything that writes a plan ends with this. A plan without `hashes` is of
  before there were any, and stays without.
  """
  ids = [trial['id'] for trial in plan['trials']]
  if 'hashes' not in plan:
    return {**plan, 'hash': digest(ids)}
  hashes = rule_hashes(plan)
  return {**plan, 'hashes': hashes, 'hash': digest(ids, hashes)}


def changes(plan: Mapping[str, Any]) -> list[str]:
  """Every rule that is not what was planned, in words; of old plans, none."""
  if 'hashes' not in plan:
    return []
  known, now, values = plan['hashes'], rule_hashes(plan), _rules(plan)
  found = []
  for name in sorted(known.keys() | now.keys()):
    if name not in now:
      found.append(f'{name} was planned, and is not there any more.')
    elif known.get(name) != now[name]:
      found.append(
        f'{name} = {schema.shown(values[name])} is not what was planned: it '
        'was changed afterwards.'
      )
  return found


def _rules(plan: Mapping[str, Any]) -> dict[str, Any]:
  """Values of the hashed parts by name; lists are values."""
  found = {}
  waiting = [(name, plan[name]) for name in HASHED if name in plan]
  while waiting:
    name, value = waiting.pop()
    if isinstance(value, dict) and value:
      waiting += [(f'{name}.{key}', inner) for key, inner in value.items()]
    else:
      found[name] = value
  return found


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
    place = layout.folder('', *key, entry['study'], entry['trial'])
    if place in places:
      raise ValueError(f'{place} is planned twice')
    places.add(place)
  for seconds in plan['seconds'].values():
    if not layout.is_time(seconds) or not seconds:
      raise ValueError(f'a budget of {seconds!r} seconds')


def kinds(plan: Mapping[str, Any]) -> set[str]:
  """Names of the kinds of hardware that a plan's trials may run on."""
  machines = [plan.get('hardware', {}), *plan.get('also', ())]
  return {str(machine['name']) for machine in machines if 'name' in machine}


def _sha256(value: Any) -> str:
  text = json.dumps(value, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()
