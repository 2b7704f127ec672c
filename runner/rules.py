"""The rules of a race, read from configs/: workloads, targets, budgets.

The standard library only: scoring and status read rules without JAX.
"""

import difflib
import pathlib
import tomllib
from collections.abc import Mapping
from typing import Any, NamedTuple

CONFIGS = pathlib.Path(__file__).parent.parent / 'configs'


class Row(NamedTuple):
  """One workload of a suite."""

  workload: str
  metric: str  # Without the split: 'loss'.
  better: str  # 'lower' or 'higher'.
  target: float | None  # On the validation split; None while it is being set.
  steps: int  # Step budget: what the reference algorithm makes in its time.
  batch_size: int
  eval_batch_size: int
  evaluations: int  # Evenly spread over the calibrated seconds.
  train_examples: int  # Of the training split, evaluated at the end.
  steps_per_dispatch: int = 1  # More where a step is shorter than its dispatch.

  @property
  def column(self) -> str:
    return f'validation/{self.metric}'

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


class Rules(NamedTuple):
  """A suite: what is raced, and how the race is scored."""

  name: str
  version: str
  seed: int
  cutoff: float  # Ratios to the fastest at or beyond this score nothing.
  reference: str  # The submission whose speed turns step budgets into seconds.
  rulesets: dict[str, Ruleset]
  workloads: dict[str, Row]


class RulesError(ValueError):
  """A rules file says something it may not; the message names file and key."""


def load(name: str) -> Rules:
  """The suite of that name in configs/suites, or in a file.

  Raises:
    RulesError: no such suite, or a wrong, missing or unknown key in it.
  """
  path = find(name)
  try:
    table = tomllib.loads(path.read_text())
  except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
    raise RulesError(f'{path} is not valid TOML: {error}.') from error
  return parse(table, path.stem, str(path))


def parse(table: Mapping[str, Any], name: str, where: str) -> Rules:
  """Rules from a table as TOML holds it; `where` begins error messages."""
  _check(table, _SUITE, f'{where}:')
  return Rules(
    name,
    table['version'],
    table['seed'],
    float(table['cutoff']),
    table['reference'],
    {
      key: _ruleset(row, f'{where}: [rulesets.{key}]')
      for key, row in table['rulesets'].items()
    },
    {
      key: _row(key, row, f'{where}: [workloads."{key}"]')
      for key, row in table['workloads'].items()
    },
  )


def dump(rules: Rules) -> dict[str, Any]:
  """The table that `parse` turns back into these rules; fit for JSON."""
  return {
    'version': rules.version,
    'seed': rules.seed,
    'cutoff': rules.cutoff,
    'reference': rules.reference,
    'rulesets': {k: v._asdict() for k, v in rules.rulesets.items()},
    'workloads': {k: _undo(row) for k, row in rules.workloads.items()},
  }


_SUITE = {
  'version': str,
  'seed': int,
  'cutoff': (int, float),
  'reference': str,
  'rulesets': dict,
  'workloads': dict,
}
_RULESET = {'studies': int, 'trials': int, 'budget_factor': (int, float)}
_ROW = {
  'metric': str,
  'better': str,
  'target': (int, float),
  'steps': int,
  'batch_size': int,
  'eval_batch_size': int,
  'evaluations': int,
  'train_examples': int,
  'steps_per_dispatch': int,
  'origin': dict,  # How the target was set; for readers.
}
_OPTIONAL = {'target', 'steps_per_dispatch', 'origin'}


def find(name: str) -> pathlib.Path:
  """The file of a suite."""
  known = {p.stem: p for p in sorted(CONFIGS.glob('suites/*.toml'))}
  if name in known:
    return known[name]
  if name.endswith('.toml') and pathlib.Path(name).is_file():
    return pathlib.Path(name)
  close = difflib.get_close_matches(name, known, n=1)
  hint = f' Did you mean {close[0]!r}?' if close else ''
  raise RulesError(
    f'No suite {name!r}.{hint} Known: {", ".join(known)}, '
    'or give the path of a .toml file.'
  )


def _ruleset(row: Mapping[str, Any], where: str) -> Ruleset:
  _check(row, _RULESET, where)
  return Ruleset(row['studies'], row['trials'], float(row['budget_factor']))


def _row(name: str, row: dict[str, Any], where: str) -> Row:
  _check(row, _ROW, where)
  if row['better'] not in ('lower', 'higher'):
    raise RulesError(
      f"{where}: better = {row['better']!r}; say 'lower' or 'higher'."
    )
  facts: dict[str, Any] = {'target': None} | row
  facts.pop('origin', None)
  return Row(name, **facts)


def _undo(row: Row) -> dict[str, Any]:
  facts = row._asdict()
  del facts['workload']
  return {k: v for k, v in facts.items() if v is not None}


def _check(table: Any, kinds: Mapping[str, Any], where: str) -> None:
  if not isinstance(table, dict):
    raise RulesError(f'{where} must be a table, not {table!r}.')
  for key, value in table.items():
    if key not in kinds:
      close = difflib.get_close_matches(key, kinds, n=1)
      hint = f' Did you mean {close[0]!r}?' if close else ''
      raise RulesError(
        f'{where} unknown key {key!r}.{hint} Known: {", ".join(kinds)}.'
      )
    if not isinstance(value, kinds[key]) or isinstance(value, bool):
      raise RulesError(f'{where} {key} = {value!r} is of the wrong type.')
    if isinstance(value, int | float) and key not in _ANY_NUMBER and value <= 0:
      raise RulesError(f'{where} {key} = {value!r} must be positive.')
  if missing := kinds.keys() - table.keys() - _OPTIONAL:
    raise RulesError(f'{where} lacks {", ".join(sorted(missing))}.')


_ANY_NUMBER = {'target', 'seed'}
