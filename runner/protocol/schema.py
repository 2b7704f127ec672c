"""Which keys the tables of a rules file may have, and what is in them.

The standard library only, as `rules`.
"""

import difflib
import math
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
# What numbers must be more than; the others are positive.
ABOVE = {
  'cutoff': 1.001,  # At a ratio of 1 a score would be divided by nothing.
  'seed': -1,
  'target': -math.inf,
  'test_target': -math.inf,
}
# What numbers may be at most.
MOST = {'studies': 1000, 'trials': 10_000}
LARGEST = 2**53  # Beyond it, numbers lose digits on their way through floats.
LONGEST = 200  # Characters of a wrong value in a message.


class RulesError(ValueError):
  """A rules file says something it may not; the message names file and key."""


def check(table: Any, kinds: Mapping[str, Any], where: str) -> None:
  """Raises RulesError unless the table has the right keys, of these kinds."""
  if not isinstance(table, dict):
    raise RulesError(f'{where} must be a table, not {shown(table)}.')
  for key, value in table.items():
    if key not in kinds:
      close = difflib.get_close_matches(key, kinds, n=1)
      hint = f' Did you mean {close[0]!r}?' if close else ''
      raise RulesError(
        f'{where} unknown key {key!r}.{hint} Known: {", ".join(kinds)}.'
      )
    if not isinstance(value, kinds[key]) or isinstance(value, bool):
      raise RulesError(f'{where} {key} = {shown(value)} is of the wrong type.')
    above, most = ABOVE.get(key, 0), MOST.get(key, LARGEST)
    # NaN compares as false, so it is found here too.
    if isinstance(value, int | float) and not above < value <= most:
      wanted = f'more than {above}' if above else 'positive'
      limit = most if key in MOST else '2**53'
      raise RulesError(
        f'{where} {key} = {shown(value)} must be {wanted}, and at most {limit}.'
      )
  if missing := kinds.keys() - table.keys() - OPTIONAL:
    raise RulesError(f'{where} lacks {", ".join(sorted(missing))}.')


def shown(value: Any) -> str:
  """A wrong value as a message says it: not more of it than can be read."""
  try:
    text = repr(value)
  except ValueError:  # Python writes no integers of thousands of digits.
    return 'a number of too many digits'
  return text if len(text) <= LONGEST else text[:LONGEST] + ' ...'


def inherit(rows: Mapping[str, Any], name: str, where: str) -> Any:
  """The row, with what it does not say from the row that it is `like`.

  Never a target: that of another workload is not this one's.
  """
  row = rows[name]
  if not isinstance(row, dict) or 'like' not in row:
    return row
  other = row['like']
  base = rows.get(other) if isinstance(other, str) else None
  if not isinstance(base, dict) or 'like' in base:
    raise RulesError(
      f'{where}: like = {shown(other)} must name another workload of the file, '
      'one that is not itself like another.'
    )
  own = {'target', 'test_target', 'origin', 'held_out_of'}
  taken = {k: v for k, v in base.items() if k not in own}
  return taken | {k: v for k, v in row.items() if k != 'like'}
