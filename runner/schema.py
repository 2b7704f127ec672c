"""Which keys the tables of a rules file may have, and what is in them.

The standard library only, as `rules`.
"""

import difflib
from collections.abc import Mapping
from typing import Any

NUMBER = (int, float)
SUITE = {
  'extends': str,  # Another suite, which has what is not said here.
  'version': str,
  'seed': int,
  'cutoff': NUMBER,
  'reference': str,
  'rulesets': dict,
  'workloads': dict,
  'unscored': dict,  # Workloads that may be run too, but do not count.
  'scoring': dict,  # How logs are read, where otherwise than documented.
}
RULESET = {'studies': int, 'trials': int, 'budget_factor': NUMBER}
READING = {'fastest': str, 'missing': str, 'late': str, 'cut': str}
ROW = {
  'held_out_of': str,  # The workload whose credit is lost where this is missed.
  'like': str,  # Another row of the file, which has what is not said here.
  'metric': str,
  'better': str,
  'target': NUMBER,
  'test_target': NUMBER,
  'steps': int,
  'batch_size': int,
  'eval_batch_size': int,
  'evaluations': int,
  'train_examples': int,
  'steps_per_dispatch': int,
  'seconds': NUMBER,
  'eval_seconds': NUMBER,
  'quirks': list,
  'origin': dict,  # How the target was set; for readers.
}
OPTIONAL = {
  'extends',
  'unscored',
  'scoring',
  'held_out_of',
  *READING,
  'like',
  'target',
  'test_target',
  'evaluations',
  'steps_per_dispatch',
  'seconds',
  'eval_seconds',
  'quirks',
  'origin',
}
ANY_NUMBER = {'target', 'test_target', 'seed'}  # The others are positive.


class RulesError(ValueError):
  """A rules file says something it may not; the message names file and key."""


def check(table: Any, kinds: Mapping[str, Any], where: str) -> None:
  """Raises RulesError unless the table has the right keys, of these kinds."""
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
    if isinstance(value, int | float) and key not in ANY_NUMBER and value <= 0:
      raise RulesError(f'{where} {key} = {value!r} must be positive.')
  if missing := kinds.keys() - table.keys() - OPTIONAL:
    raise RulesError(f'{where} lacks {", ".join(sorted(missing))}.')


def inherit(rows: Mapping[str, Any], name: str, where: str) -> Any:
  """The row, with what it does not say from the row that it is `like`.

  Never a target: that of another workload is not this one's.
  """
  row = rows[name]
  if not isinstance(row, dict) or 'like' not in row:
    return row
  other = row['like']
  if other not in rows or 'like' in rows[other]:
    raise RulesError(
      f'{where}: like = {other!r} must name another workload of the file, one '
      'that is not itself like another.'
    )
  own = {'target', 'test_target', 'origin', 'held_out_of'}
  taken = {k: v for k, v in rows[other].items() if k not in own}
  return taken | {k: v for k, v in row.items() if k != 'like'}
