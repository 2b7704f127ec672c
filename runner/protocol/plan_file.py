"""The file plan.json: a plan as JSON, and the hashes that seal it."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from runner.protocol import layout
from runner.protocol.plan import Machine, Plan, PlannedTrial, Source, TrialKey
from runner.protocol.suites import schema, suite as suites
from runner.protocol.suites.workload_spec import WorkloadSpec

# Kinds of the parts of a plan.
PARTS = {
  'suite': str,
  'ruleset': str,
  'rules': dict,
  'hardware': dict,
  'also': list,
  'seconds': dict,
  'exam': bool,
  'stop': str,
  'sources': dict,
  'hashes': dict,
  'hash': str,
  'trials': list,
  'forgotten': list,
}
NEEDED = ('suite', 'rules', 'seconds', 'trials')
# Parts in which every value has a hash: a board depends on these values, and
# the identities of trials do not contain them.
HASHED = (
  'suite',
  'ruleset',
  'rules',
  'hardware',
  'also',
  'seconds',
  'exam',
  'stop',
)
# Values of these parts that a trial's folder stores elsewhere, or that may grow
# when trials are added.
OWN = re.compile(r'rules\.(workloads|unscored)\..*|.*\.(studies|trials)')


AUDIT = 10  # One in so many hopeless trials runs to its end.


def parse(table: Any, where: str) -> Plan:
  """Return the plan in a table as JSON holds it.

  Args:
    table: The table.
    where: Place of the table, for messages.

  Raises:
    LookupError, TypeError, ValueError: a part is missing, or of another kind.
  """
  for name in NEEDED:
    table[name]  # Raises a LookupError if the part is missing.
  for name, kind in PARTS.items():
    if name in table and not isinstance(table[name], kind):
      raise TypeError(f'{name} must be of type {kind.__name__}')
  for seconds in table['seconds'].values():
    if not layout.is_time(seconds) or not seconds:
      raise ValueError(f'a budget of {seconds!r} s must be positive and finite')
  trials = tuple(map(_trial, table['trials']))
  places = set()
  for trial in trials:
    place = layout.folder('', *trial.key)
    if place in places:
      raise ValueError(f'{place} is planned twice')
    places.add(place)
  return Plan(
    suite=suites.parse(
      table['rules'], name=table['suite'], where=f'{where}: rules'
    ),
    ruleset=table.get('ruleset', ''),
    machine=_machine(table.get('hardware', {})),
    budgets=dict(table['seconds']),
    sources={
      name: Source(path=str(one['path']), sha256=str(one['sha256']))
      for name, one in table.get('sources', {}).items()
    },
    trials=trials,
    also=tuple(map(_machine, table.get('also', ()))),
    forgotten=tuple(table.get('forgotten', ())),
    hashes=table.get('hashes'),
    exam=table.get('exam', False),
    stop=table.get('stop', ''),
    hash=table.get('hash', ''),
  )


def _trial(table: Any) -> PlannedTrial:
  kinds = PlannedTrial.__annotations__
  found = {name: table[name] for name in kinds}
  for name, value in found.items():
    kind = dict if name == 'hyperparameters' else kinds[name]
    if not isinstance(value, kind) or isinstance(value, bool):
      raise TypeError(f'{name} = {value!r} of a trial is of the wrong type')
  return PlannedTrial(**found)


def _machine(table: Any) -> Machine:
  if not isinstance(table, dict):
    raise TypeError(f'a machine must be a table, not {table!r}')
  return Machine(name=str(table.get('name', '')), facts=table)


def dump(plan: Plan) -> dict[str, Any]:
  """Return the table that `parse` turns back into this plan; fit for JSON."""
  table = _rules(plan) | {
    'sources': {
      name: dataclasses.asdict(one) for name, one in plan.sources.items()
    },
    'hashes': plan.hashes,
    'hash': plan.hash,
    'trials': [dataclasses.asdict(trial) for trial in plan.trials],
    'forgotten': list(plan.forgotten),
  }
  empty = {'hashes': None, 'forgotten': []}
  return {k: v for k, v in table.items() if k not in empty or v != empty[k]}


def excerpt(plan: Plan, submission: str) -> dict[str, Any]:
  """Return what a plan says about one submission; fit for JSON."""
  source = plan.sources.get(submission)
  return {
    'source': dataclasses.asdict(source) if source else None,
    'rules': suites.dump(plan.suite),
    'seconds': plan.budgets,
    'trials': [dataclasses.asdict(trial) for trial in plan.of(submission)],
  }


def _rules(plan: Plan) -> dict[str, Any]:
  """Return the hashed parts of plan.json."""
  also = [dict(machine.facts) for machine in plan.also]
  return {
    'suite': plan.suite.name,
    'ruleset': plan.ruleset,
    'rules': suites.dump(plan.suite),
    'hardware': dict(plan.machine.facts),
    'seconds': plan.budgets,
    **({'also': also} if also else {}),
    **({'exam': True} if plan.exam else {}),
    **({'stop': plan.stop} if plan.stop else {}),
  }


def seed(suite: int, workload: str, study: int, trial: int) -> int:
  """Return the seed of a trial, which trials of other submissions share.

  Args:
    suite: Seed of the suite.
    workload: Name of the workload.
    study: Number of the study, from 0.
    trial: Number of the trial, from 1.
  """
  return int(_sha256([suite, workload, study, trial]), 16) % 2**31


def audited(suite: int, trial: TrialKey) -> bool:
  """Test whether a trial runs to its end even if it has no chance.

  One in AUDIT is drawn, by what nobody chooses after the plan is made.

  Args:
    suite: Seed of the suite.
    trial: The trial.
  """
  return int(_sha256(['audit', suite, *trial]), 16) % AUDIT == 0


def identity(trial: PlannedTrial, sha256: str, spec: WorkloadSpec) -> str:
  """Return a hash of twelve digits over everything that a trial depends on.

  Args:
    trial: The trial; its id is not used.
    sha256: Hash of the submission's source.
    spec: The workload in the suite.
  """
  facts = [trial.submission, sha256, [trial.workload, spec.to_json()]]
  facts += [trial.study, trial.trial, trial.seed, trial.hyperparameters]
  return _sha256(facts)[:12]


def digest(ids: Iterable[str], hashes: Mapping[str, str] | None) -> str:
  """Return the SHA-256 of a whole plan.

  Args:
    ids: Identities of its trials.
    hashes: Hashes of its rules; None in plans older than these hashes, whose
      digest does not contain cutoff, reference, budgets and interpretation.
  """
  return _sha256(sorted(ids) if hashes is None else [sorted(ids), hashes])


def rule_hashes(plan: Plan) -> dict[str, str]:
  """Return twelve digits for each rule: {'rules.cutoff': 'a1b2...'}."""
  return {name: _sha256(value)[:12] for name, value in _values(plan).items()}


def common_hashes(plan: Plan) -> dict[str, str]:
  """Return the hashes of the rules that all trials run under.

  Trials store these hashes in their folders. Rows of workloads are left out,
  because each trial stores its own row. Numbers of studies and trials, machines
  and budgets are left out, because more of them may be added.
  """
  return {
    name: value
    for name, value in rule_hashes(plan).items()
    if not OWN.fullmatch(name)
    and name.partition('.')[0] in ('suite', 'ruleset', 'rules')
  }


def sealed(plan: Plan) -> Plan:
  """Return the plan with its hashes computed again.

  Every function that makes or changes a plan ends with this call. A plan
  without `hashes` is older than the hashes and stays without them.
  """
  hashes = None if plan.hashes is None else rule_hashes(plan)
  ids = [trial.id for trial in plan.trials]
  return dataclasses.replace(plan, hashes=hashes, hash=digest(ids, hashes))


def changes(plan: Plan) -> list[str]:
  """Return a sentence for every rule that was changed after planning."""
  if plan.hashes is None:
    return []
  now, values = rule_hashes(plan), _values(plan)
  found = []
  for name in sorted(plan.hashes.keys() | now.keys()):
    if name not in now:
      found.append(f'{name} was planned, and is not there any more.')
    elif plan.hashes.get(name) != now[name]:
      found.append(
        f'{name} = {schema.shown(values[name])} is not what was planned: it '
        'was changed afterwards.'
      )
  return found


def _values(plan: Plan) -> dict[str, Any]:
  """Return the values of the hashed parts by name; a list is one value."""
  rules = _rules(plan)
  found = {}
  waiting = [(name, rules[name]) for name in HASHED if name in rules]
  while waiting:
    name, value = waiting.pop()
    if isinstance(value, dict) and value:
      waiting += [(f'{name}.{key}', inner) for key, inner in value.items()]
    else:
      found[name] = value
  return found


def _sha256(value: Any) -> str:
  text = json.dumps(value, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()
