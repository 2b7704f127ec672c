"""Rules of `tune` in a suite: ranges to draw from, order of workloads."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from runner.protocol.suites import schema, search_space
from runner.protocol.suites.schema import Key, SuiteError

KEYS = {'ranges': Key(dict, False), 'rungs': Key(list, False)}
RUNGS = 3  # Parts of the workloads, if a suite does not say its own.


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuningRules:
  """Rules of `tune` on a suite.

  Attributes:
    ranges: Ranges by hyperparameter, in the form of a search space, which are
      drawn from instead of a submission's own ones.
    rungs: Parts of the workloads, in the order in which points race on them;
      () divides the workloads into RUNGS parts.
  """

  ranges: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  rungs: tuple[tuple[str, ...], ...] = ()

  def parts(self, workloads: Collection[str]) -> list[list[str]]:
    """Return the parts of some workloads; none is empty.

    Args:
      workloads: Names of those workloads of the suite that are chosen.
    """
    names = list(workloads)
    rungs = self.rungs or [names[r::RUNGS] for r in range(RUNGS)]
    parts = [[name for name in rung if name in names] for rung in rungs]
    return [part for part in parts if part]

  def to_json(self) -> dict[str, Any]:
    """Return the table that `from_json` turns back into these rules."""
    table: dict[str, Any] = {}
    if self.ranges:
      table['ranges'] = dict(self.ranges)
    if self.rungs:
      table['rungs'] = [list(rung) for rung in self.rungs]
    return table


USUAL = TuningRules()  # Of a suite that has no rules of its own.


def from_json(
  table: Mapping[str, Any], where: str, workloads: Collection[str]
) -> TuningRules:
  """Return the rules in a table.

  Args:
    table: The table.
    where: Place of the table, for messages.
    workloads: Names of all workloads of the suite.

  Raises:
    SuiteError: a wrong or unknown key.
  """
  schema.check(table, KEYS, where)
  ranges = table.get('ranges', {})
  for name, spec in ranges.items():
    try:
      search_space.check_range(spec, f'{where} ranges.{name}')
    except search_space.SpaceError as error:
      raise SuiteError(str(error)) from error
  rungs = table.get('rungs', [])
  for rung in rungs:
    if not isinstance(rung, list) or not all(isinstance(x, str) for x in rung):
      raise SuiteError(
        f'{where} rungs: {schema.shown(rung)} must be a list of workloads.'
      )
  named = [name for rung in rungs for name in rung]
  if rungs and sorted(named) != sorted(workloads):
    raise SuiteError(
      f'{where} rungs = {schema.shown(rungs)} must name each workload of the '
      f'suite once: {", ".join(workloads)}.'
    )
  return TuningRules(ranges=ranges, rungs=tuple(map(tuple, rungs)))
