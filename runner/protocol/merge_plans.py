"""Merging of a new plan with the stored plan of a results folder.

A folder is one board: one suite, one ruleset, one clock, and of every
submission one source and the same number of studies.
"""

import math
import pathlib
from collections.abc import Collection
from typing import Any

from runner.protocol import plan_file

ALIKE = 1.3  # Times as fast: no more than what a busy machine loses.
HELP = 'Use another --out, or remove the folder if nothing in it is needed.'


class ResultsError(ValueError):
  """The folder cannot take these results; the message says why."""


def without(table: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
  """A plan that never had these submissions."""
  trials = [one for one in table['trials'] if one['submission'] not in names]
  sources = table.get('sources', {}).items()
  rest = table | {
    'sources': {name: one for name, one in sources if name not in names},
    'trials': trials,
  }
  return plan_file.sealed(rest)


def _check_studies(known: dict, table: dict, out: pathlib.Path, grows: bool):
  """Raise ResultsError if the number of studies may not change so."""
  there, here = _studies(known), _studies(table)
  if there == here or there is None or here is None:
    return
  if not grows or here < there:
    raise ResultsError(
      f'{out} has {there} studies of every cell, and this asks for {here}. '
      f'Say --studies={there} to keep to them, or a larger number to add some.'
    )
  if lacking := known['sources'].keys() - table['sources'].keys():
    names = ','.join(sorted(lacking))
    raise ResultsError(
      f'{out} has {there} studies of {names} as well, and a board compares '
      f'equal numbers. Add {names} to --submissions, or leave out --studies.'
    )


def _studies(table: dict[str, Any]) -> int | None:
  """Number of studies of a plan; None if the plan does not say."""
  match table['rules'].get('rulesets'):
    case {**rulesets}:
      match rulesets.get(table['ruleset']):
        case {'studies': int(count)}:
          return count
  return None


def _without_studies(rules: dict[str, Any]) -> dict[str, Any]:
  match rules.get('rulesets'):
    case {**rulesets}:
      return rules | {'rulesets': {n: _rest(x) for n, x in rulesets.items()}}
  return rules


def _rest(ruleset: Any) -> Any:
  match ruleset:
    case {'studies': int(), **rest}:
      return rest
  return ruleset


def check(
  known: dict, table: dict, out: pathlib.Path, mixed: bool, grows: bool
) -> None:
  """Raise ResultsError if a plan may not be added to the stored one.

  Args:
    known: The stored plan.
    table: The one to be added.
    out: The folder.
    mixed: Whether trials of different kinds of hardware may be together.
    grows: Whether studies may be added.

  Raises:
    ResultsError: they do not go together; the message says why.
  """
  for key in ('suite', 'ruleset', 'rules'):
    there, here = known[key], table[key]
    if key == 'rules':
      _check_studies(known, table, out, grows)
      there, here = _without_studies(there), _without_studies(here)
    if there != here:
      raise ResultsError(
        f'{out} was made under other {key}: {_difference(there, here)}. {HELP}'
      )
  kinds, name = plan_file.kinds(known), table['hardware']['name']
  if name not in kinds and not mixed:
    raise ResultsError(
      f'{out} was made on {", ".join(sorted(kinds))}; this is for {name}, and '
      f'seconds do not compare. {HELP} To put them together all the same: '
      '--mix_hardware'
    )
  faster = _faster(known['seconds'], table['seconds'])
  same = name == known['hardware']['name']
  if same and not mixed and not 1 / ALIKE < faster < ALIKE:
    raise ResultsError(
      f'{out} was made on a machine of this name ({name}) for which the '
      f'reference algorithm takes {faster:.2f} times as long as for this one, '
      'and seconds do not compare. If this one was busy when it was measured, '
      f'measure again: python -m runner calibrate. If not: {HELP} To put them '
      'together all the same: --mix_hardware'
    )
  for name, source in table['sources'].items():
    before = known['sources'].get(name, source)
    if before['sha256'] != source['sha256']:
      raise ResultsError(
        f'{source["path"]} has changed since trials of {name!r} were planned '
        f'in {out}, and some have run. Rename it, use another --out, or take '
        f'them out: python -m runner forget --submissions={name} --out={out}'
      )


def _faster(known: dict[str, float], here: dict[str, float]) -> float:
  """Known budgets to those of this machine, a geometric mean."""
  both = [math.log(known[name] / here[name]) for name in known.keys() & here]
  return math.exp(sum(both) / len(both)) if both else 1.0


def _difference(a, b, path: str = '') -> str:
  """The first place where two tables differ."""
  if isinstance(a, dict) and isinstance(b, dict):
    for key in sorted(a.keys() | b.keys()):
      if a.get(key) != b.get(key):
        return _difference(a.get(key), b.get(key), f'{path}.{key}'.strip('.'))
  return f'{path} {a!r} there, {b!r} here'.strip()


def merged(known: dict, table: dict) -> dict:
  """The stored plan with what is new of another one."""
  ids = {trial['id'] for trial in known['trials']}
  fresh = [trial for trial in table['trials'] if trial['id'] not in ids]
  also = known.get('also', [])
  if table['hardware']['name'] not in plan_file.kinds(known):
    also = [*also, table['hardware']]
  both = known | {
    'rules': table['rules'],  # They may have more studies now.
    **({'also': also} if also else {}),
    'seconds': table['seconds'] | known['seconds'],
    'sources': known['sources'] | table['sources'],
    'trials': known['trials'] + fresh,
  }
  return plan_file.sealed(both)
