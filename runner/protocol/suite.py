"""The rules of a race: workloads, targets, budgets, and how it is scored.

The standard library only: scoring and status read rules without JAX.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import workloads
from runner.protocol import metrics, schema, suite_files
from runner.protocol.schema import SuiteError


class WorkloadSpec(NamedTuple):
  """One workload of a suite."""

  workload: str
  metric: str  # Without the split: 'loss'.
  better: str  # 'lower' or 'higher'.
  target: float | None  # On the validation split; None while it is being set.
  steps: int  # Step budget: what the reference algorithm makes in its time.
  batch_size: int
  eval_batch_size: int
  train_examples: int  # Of the training split, evaluated at the end.
  evaluations: int | None = None  # Evenly spread over the budget.
  steps_per_dispatch: int = 1  # More where a step is shorter than its dispatch.
  # Of published boards, which were run on hardware of their own:
  seconds: float | None = None  # Budget, instead of calibrated steps.
  eval_seconds: float | None = None  # Period, instead of `evaluations`.
  test_target: float | None = None  # On the test split; does not score.
  quirks: tuple[str, ...] = ()  # Of the workload's QUIRKS.
  # A held-out variant scores nothing itself: who misses it loses the credit of
  # this other workload.
  held_out_of: str | None = None
  # At most so many of validation and test; no suite says it, preflights do.
  eval_examples: int | None = None

  @property
  def column(self) -> str:
    return f'validation/{self.metric}'

  @property
  def looks(self) -> int:
    """About how many evaluations a budget has."""
    if self.evaluations is not None:
      return self.evaluations
    return max(1, round((self.seconds or 0) / (self.eval_seconds or 1)))

  def reached(self, value):
    """Works on numbers and on columns of them; NaN never reaches anything."""
    if self.target is None:
      return value != value  # noqa: PLR0124  False, in the value's shape.
    lower = self.better == 'lower'
    return value <= self.target if lower else value >= self.target


class Ruleset(NamedTuple):
  """How much tuning and how many repetitions."""

  studies: int
  trials: int  # In each study.
  budget_factor: float  # Times the calibrated seconds.


class Interpretation(NamedTuple):
  """How times are read from logs; the defaults are what AlgoPerf documents.

  Published boards were computed otherwise here and there. Their rules say so,
  by one of the other values in READINGS.
  """

  fastest: str = 'time'  # The trial that counts in a study.
  missing: str = 'open'  # What a study without any evaluations is.
  late: str = 'missed'  # What a target met after the budget is.
  cut: str = 'last'  # When those beyond the cutoff drop out.


READINGS = {
  'fastest': {
    'time': 'the trial with the least time',
    'evaluation': 'the trial with the fewest evaluations, then the least time',
  },
  'missing': {
    'open': 'a study that was not run leaves its cell open',
    'missed': 'a study that was not run is a miss',
    'left out': 'a study that was not run is left out of the median, and a '
    'workload without any is missed',
  },
  'late': {
    'missed': 'a target that is met after the budget is missed',
    'counts': 'budgets are not looked at',
  },
  'cut': {
    'last': 'who misses a held-out variant is out before the fastest is sought',
    'first': 'who misses a held-out variant is still the fastest by which '
    'others are beyond the cutoff',
  },
}


class Suite(NamedTuple):
  """A suite: what is raced, and how the race is scored."""

  name: str
  version: str
  seed: int
  cutoff: float  # Ratios to the fastest at or beyond this score nothing.
  reference: str  # The submission whose speed turns step budgets into seconds.
  rulesets: dict[str, Ruleset]
  workloads: dict[str, WorkloadSpec]
  unscored: dict[str, WorkloadSpec]  # May be run too, by name; do not count.
  reading: Interpretation = Interpretation()

  @property
  def scored(self) -> dict[str, WorkloadSpec]:
    """The workloads that give credit: all but held-out variants."""
    return {
      name: row for name, row in self.workloads.items() if not row.held_out_of
    }

  @property
  def held_out_last(self) -> dict[str, WorkloadSpec]:
    """All workloads, held-out variants behind those that give credit."""
    return self.scored | self.workloads

  def relaxed(self, share: float) -> 'Suite':
    """These rules with every target made easier by a share of itself.

    A target t that is met from above becomes t * (1 + share), one that is met
    from below t * (1 - share), as in AlgoPerf's report on self-tuning
    submissions of 2026 (`--target_relaxations=all=SHARE` in scoring/config.py
    of mlcommons/submissions_algorithms). Held-out variants are relaxed too;
    test targets are not, as they do not score.

    Args:
      share: Of a target, from 0 to below 1.

    Raises:
      SuiteError: the share is not in that range.
    """
    if not 0 <= share < 1:
      raise SuiteError(
        f'Targets cannot be relaxed by {share}. Say a share of them, at least '
        '0 and below 1: 0.05 is 5 %.'
      )
    rows = {name: _relaxed(row, share) for name, row in self.workloads.items()}
    return self._replace(workloads=rows)

  def seconds(self, workload: str, ruleset: str) -> float | None:
    """The budget of a published board; None where it is calibrated."""
    seconds = self.workloads[workload].seconds
    if seconds is None or ruleset not in self.rulesets:
      return None
    return seconds * self.rulesets[ruleset].budget_factor


def _relaxed(row: WorkloadSpec, share: float) -> WorkloadSpec:
  if row.target is None:
    return row
  # Of a negative target, that many more is nearer to zero, and not easier.
  up = (row.better == 'lower') == (row.target >= 0)
  return row._replace(target=row.target * (1 + share if up else 1 - share))


def load(name: str) -> Suite:
  """The rules of that name in configs/suites or configs/rules, or in a file.

  Raises:
    SuiteError: no such suite, or a wrong, missing or unknown key in it.
  """
  path = suite_files.find(name)
  return parse(suite_files.whole(path), path.stem, str(path))


def parse(table: Mapping[str, Any], name: str, where: str) -> Suite:
  """Rules from a table as TOML holds it; `where` begins error messages.

  It may not extend another one: tables of results are other people's, and
  nothing in them says which files are read here.
  """
  schema.check(table, schema.SUITE, f'{where}:')
  if 'extends' in table:
    raise SuiteError(
      f'{where}: extends = {table["extends"]!r}: only the file of a suite may '
      'extend another.'
    )
  scored, unscored = table['workloads'], table.get('unscored', {})
  rows = unscored | scored
  if twice := unscored.keys() & scored.keys():
    raise SuiteError(f'{where}: {min(twice)} is both scored and unscored.')
  rules = Suite(
    name,
    table['version'],
    table['seed'],
    float(table['cutoff']),
    table['reference'],
    {
      key: _ruleset(row, f'{where}: [rulesets.{key}]')
      for key, row in table['rulesets'].items()
    },
    _rows(scored, rows, f'{where}: [workloads'),
    _rows(unscored, rows, f'{where}: [unscored'),
    _reading(table.get('scoring', {}), f'{where}: [scoring]'),
  )
  for row in rules.workloads.values():
    if row.held_out_of and row.held_out_of not in rules.scored:
      raise SuiteError(
        f'{where}: [workloads."{row.workload}"] held_out_of = '
        f'{row.held_out_of!r} must be a workload of the suite that is not held '
        f'out itself: {", ".join(rules.scored)}.'
      )
  return rules


def dump(rules: Suite) -> dict[str, Any]:
  """The table that `parse` turns back into these rules; fit for JSON."""
  table = {
    'version': rules.version,
    'seed': rules.seed,
    'cutoff': rules.cutoff,
    'reference': rules.reference,
    'rulesets': {k: v._asdict() for k, v in rules.rulesets.items()},
    'workloads': {k: facts(row) for k, row in rules.workloads.items()},
  }
  if rules.unscored:
    table['unscored'] = {k: facts(row) for k, row in rules.unscored.items()}
  if rules.reading != Interpretation():
    table['scoring'] = rules.reading._asdict()
  return table


def facts(row: WorkloadSpec) -> dict[str, Any]:
  """What a row says, without its name and without what is not said."""
  said = row._asdict() | {'quirks': list(row.quirks)}
  del said['workload']
  return {k: v for k, v in said.items() if v is not None and v != []}


def row(name: str, said: Mapping[str, Any]) -> WorkloadSpec:
  """Undoes `facts`."""
  known: dict[str, Any] = {'target': None} | dict(said)
  return WorkloadSpec(
    name, **known | {'quirks': tuple(known.get('quirks', ()))}
  )


def _reading(table: Mapping[str, Any], where: str) -> Interpretation:
  schema.check(table, schema.READING, where)
  for key, value in table.items():
    if value not in READINGS[key]:
      raise SuiteError(
        f'{where} {key} = {value!r}; say one of {", ".join(READINGS[key])}.'
      )
  return Interpretation(**table)


def _ruleset(table: Mapping[str, Any], where: str) -> Ruleset:
  schema.check(table, schema.RULESET, where)
  return Ruleset(
    table['studies'], table['trials'], float(table['budget_factor'])
  )


def _rows(part: dict, rows: dict, where: str) -> dict[str, WorkloadSpec]:
  """The rows of a part of the file, by their registered names."""
  found = {}
  for key in part:
    name = workloads.canonical(key)
    if name in found:
      raise SuiteError(f'{where}."{key}"]: {name} has a row already.')
    found[name] = _row(name, rows, key, f'{where}."{key}"]')
  return found


def _row(name: str, rows: dict, key: str, where: str) -> WorkloadSpec:
  said = schema.inherit(rows, key, where)
  schema.check(said, schema.ROW, where)
  if said['better'] not in ('lower', 'higher'):
    raise SuiteError(
      f"{where}: better = {said['better']!r}; say 'lower' or 'higher'."
    )
  if ('seconds' in said) != ('eval_seconds' in said) or ('seconds' in said) == (
    'evaluations' in said
  ):
    raise SuiteError(
      f'{where}: say either evaluations, or seconds and eval_seconds.'
    )
  metric = said['metric']
  for which in ('target', 'test_target'):
    if which in said and not metrics.possible(metric, said[which]):
      raise SuiteError(
        f'{where}: {which} = {said[which]} is no value that a metric can '
        f'have: {metric} is {metrics.range_of(metric)}.'
      )
  if not all(isinstance(quirk, str) for quirk in said.get('quirks', ())):
    raise SuiteError(
      f'{where}: quirks = {schema.shown(said["quirks"])} must be names.'
    )
  facts = {k: v for k, v in said.items() if k != 'origin'}
  if 'held_out_of' in facts:
    facts['held_out_of'] = workloads.canonical(facts['held_out_of'])
  return row(name, facts)
