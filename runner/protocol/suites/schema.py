"""Keys and values that the tables of a suite's file may have.

Keys, types and defaults come from the dataclasses that the tables become.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from runner.protocol.suites.workload_spec import (
  Interpretation,
  Ruleset,
  WorkloadSpec,
)
from workloads.suggestions import hint

NUMBER = (int, float)
KINDS = {str: str, int: int, float: NUMBER}


class Key(NamedTuple):
  """Type of the value of one key, and whether the key is required."""

  kind: type | tuple[type, ...]
  needed: bool = True


def _keys(kind: type, without: Iterable[str] = ()) -> dict[str, Key]:
  """Return the keys of a table that becomes this dataclass."""
  hints = typing.get_type_hints(kind)
  found = {}
  for field in dataclasses.fields(kind):
    if field.name in without:
      continue
    hint = hints[field.name]
    may_lack = field.default is not dataclasses.MISSING
    if isinstance(hint, types.UnionType):  # `float | None`
      hint, may_lack = typing.get_args(hint)[0], True
    kinds = KINDS.get(hint, list)  # A tuple is a list in a file.
    found[field.name] = Key(kinds, not may_lack)
  return found


SUITE = {
  'extends': Key(str, False),  # Suite that supplies keys missing here.
  'version': Key(str),
  'seed': Key(int),
  'cutoff': Key(NUMBER),
  'ladder': Key(list, False),  # Shares of the way back from target to start.
  'reference': Key(str),
  'charged': Key(list, False),  # Charged accounts of the clock.
  'free_compile': Key(NUMBER, False),  # Seconds a trial.
  'rulesets': Key(dict),
  'workloads': Key(dict),
  'unscored': Key(dict, False),  # Workloads that may run, but do not count.
  'scoring': Key(dict, False),  # The suite's Interpretation.
  'world': Key(int, False),  # World of all rows that name none.
  'tuning': Key(dict, False),  # The suite's TuningRules.
}
RULESET = _keys(Ruleset)
INTERPRETATION = _keys(Interpretation)
ROW = _keys(WorkloadSpec, without=('workload', 'eval_examples')) | {
  'like': Key(str, False),  # Row that supplies keys missing here.
  'origin': Key(dict, False),  # Origin of the target, for readers only.
}
# Lower limits of numbers, exclusive; all others are positive.
ABOVE = {
  'cutoff': 1.001,  # A ratio of 1 would divide scores by zero.
  'seed': -1,
  'world': -1,
  'target': -math.inf,
  'test_target': -math.inf,
  'start': -math.inf,
}
# Upper limits of numbers, inclusive.
MOST_STUDIES = 1000
MOST_RUNGS = 20  # Targets of a ladder.
MOST = {'studies': MOST_STUDIES, 'trials': 10_000}
LARGEST = 2**53  # Upper limit of other numbers: floats lose digits above it.
LONGEST = 200  # Characters of a wrong value in a message.


class SuiteError(ValueError):
  """A suite's file is wrong; the message names file and key."""


def check(table: Any, keys: Mapping[str, Key], where: str) -> None:
  """Raise SuiteError unless a table has the right keys, of the right types.

  Args:
    table: The table.
    keys: Keys that the table may have.
    where: Place of the table, for messages.
  """
  if not isinstance(table, dict):
    raise SuiteError(f'{where} must be a table, not {shown(table)}.')
  for name, value in table.items():
    if name not in keys:
      raise SuiteError(
        f'{where} unknown key {name!r}.{hint(name, keys)} '
        f'Known: {", ".join(keys)}.'
      )
    if not isinstance(value, keys[name].kind) or isinstance(value, bool):
      raise SuiteError(f'{where} {name} = {shown(value)} is of the wrong type.')
    above, most = ABOVE.get(name, 0), MOST.get(name, LARGEST)
    # NaN compares as false, so NaN is refused here too.
    if isinstance(value, int | float) and not above < value <= most:
      wanted = f'more than {above}' if above else 'positive'
      limit = most if name in MOST else '2**53'
      raise SuiteError(
        f'{where} {name} = {shown(value)} must be {wanted}, and at most '
        f'{limit}.'
      )
  needed = {name for name, key in keys.items() if key.needed}
  if missing := needed - table.keys():
    raise SuiteError(
      f'{where} lacks {", ".join(sorted(missing))}. Add what is missing.'
    )


def shown(value: Any) -> str:
  """Return a wrong value for a message, cut to LONGEST characters."""
  try:
    text = repr(value)
  except ValueError:  # Python writes no integers of thousands of digits.
    return 'a number of too many digits'
  return text if len(text) <= LONGEST else text[:LONGEST] + ' ...'


def inherit(rows: Mapping[str, Any], name: str, where: str) -> Any:
  """Return a row, completed by the row that its key `like` names.

  Targets and starts are never inherited: they belong to the other workload.

  Args:
    rows: All rows of the file.
    name: Key of the row.
    where: Place of the row, for messages.

  Raises:
    SuiteError: `like` does not name a suitable row.
  """
  row = rows[name]
  if not isinstance(row, dict) or 'like' not in row:
    return row
  other = row['like']
  base = rows.get(other) if isinstance(other, str) else None
  if not isinstance(base, dict) or 'like' in base:
    raise SuiteError(
      f'{where}: like = {shown(other)} must name another workload of the file '
      'that has no key `like` itself.'
    )
  own = {'target', 'test_target', 'start', 'origin', 'held_out_of'}
  taken = {k: v for k, v in base.items() if k not in own}
  return taken | {k: v for k, v in row.items() if k != 'like'}
