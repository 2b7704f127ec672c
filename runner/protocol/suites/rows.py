"""Rows of a suite: a workload with its target and budget.

A row is checked here, whether it comes from a file or from a plan.
"""

from collections.abc import Callable, Mapping
from typing import Any

from runner.protocol.suites import metrics, schema, workload_spec
from runner.protocol.suites.schema import SuiteError
from runner.protocol.suites.workload_spec import WorkloadSpec
from workloads import worlds


def read(
  part: dict,
  rows: dict,
  where: str,
  canonical: Callable[[str], str],
  world: Callable[[str], int],
) -> dict[str, WorkloadSpec]:
  """Return the rows of a part of a suite's file, by their registered names.

  Args:
    part: The part: scored or unscored rows.
    rows: All rows of the file, which `like` may name.
    where: Place of the part, for messages.
    canonical: Gives the registered name of a workload for AlgoPerf's name.
    world: Gives the world of a workload whose row names none.

  Raises:
    SuiteError: a wrong, missing or unknown key.
  """
  found = {}
  for key in part:
    name = canonical(key)
    if name in found:
      raise SuiteError(
        f'{where}."{key}"]: {name} has a row already. Remove one of the rows.'
      )
    found[name] = _row(
      name, rows, key, f'{where}."{key}"]', canonical, world(name)
    )
  return found


def _row(
  name: str,
  rows: dict,
  key: str,
  where: str,
  canonical: Callable[[str], str],
  world: int,
) -> WorkloadSpec:
  said = schema.inherit(rows, key, where)
  schema.check(said, schema.ROW, where)
  if said['better'] not in ('lower', 'higher'):
    raise SuiteError(
      f"{where}: better = {said['better']!r}; use 'lower' or 'higher'."
    )
  if ('seconds' in said) != ('eval_seconds' in said) or ('seconds' in said) == (
    'evaluations' in said
  ):
    raise SuiteError(
      f'{where}: set either evaluations, or seconds and eval_seconds.'
    )
  metric = said['metric']
  for which in ('target', 'test_target', 'start'):
    if which in said and not metrics.possible(metric, said[which]):
      raise SuiteError(
        f'{where}: {which} = {said[which]} is impossible: {metric} is '
        f'{metrics.range_of(metric)}.'
      )
  _check_start(said, where)
  if not all(isinstance(quirk, str) for quirk in said.get('quirks', ())):
    raise SuiteError(
      f'{where}: quirks = {schema.shown(said["quirks"])} must be a list of '
      'names.'
    )
  facts = {k: v for k, v in said.items() if k != 'origin'}
  facts.setdefault('world', world)
  try:
    worlds.check(name, facts['world'])
  except ValueError as error:
    raise SuiteError(f'{where}: {error}') from error
  if 'held_out_of' in facts:
    facts['held_out_of'] = canonical(facts['held_out_of'])
  return workload_spec.from_json(name, facts)


def _check_start(said: Mapping[str, Any], where: str) -> None:
  """Raise SuiteError if training would begin at the target or beyond it."""
  if 'start' not in said or 'target' not in said:
    return
  start, target, lower = (
    said['start'],
    said['target'],
    said['better'] == 'lower',
  )
  if not (start > target if lower else start < target):
    raise SuiteError(
      f'{where}: start = {start} must be {"above" if lower else "below"} '
      f'target = {target}, because {said["metric"]} is better if '
      f'{said["better"]}. Measure it: timetrial set-targets --starts_only.'
    )
