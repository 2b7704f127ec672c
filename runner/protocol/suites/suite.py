"""Suites: workloads, targets and budgets of a race, and its scoring.

Suites are read from TOML files and from the plans of results folders.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from runner.protocol.suites import (
  rows,
  schema,
  suite_files,
  tuning_rules,
)
from runner.protocol.suites.schema import SuiteError
from runner.protocol.suites.tuning_rules import TuningRules
from runner.protocol.suites.workload_spec import (
  INTERPRETATIONS,
  Interpretation,
  Ruleset,
  WorkloadSpec,
)
from runner.protocol.timing import accounts
from runner.protocol.timing.accounts import ALL, Charges
from workloads import worlds

EXACT = (0.0,)  # The ladder of one rung.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suite:
  """Workloads, rules and scoring of a race.

  Attributes:
    name: Name of the suite.
    version: Version of the suite.
    seed: Seed from which every trial's seed is derived.
    cutoff: Ratio to the fastest time; times at or above it score nothing.
    reference: Submission whose speed turns step budgets into seconds.
    rulesets: 'self' and 'external'.
    workloads: Workloads that are raced.
    unscored: Workloads that may be run by name and do not count.
    interpretation: How times are read from logs.
    charges: What a trial is charged for.
    ladder: Shares of the way back from each target to the start of training;
      the score is the mean over these targets. (0.0,) is the exact target.
    tuning: Rules of `tune`.
  """

  name: str
  version: str
  seed: int
  cutoff: float
  reference: str
  rulesets: dict[str, Ruleset]
  workloads: dict[str, WorkloadSpec]
  unscored: dict[str, WorkloadSpec]
  interpretation: Interpretation = dataclasses.field(
    default_factory=Interpretation
  )
  charges: Charges = ALL
  ladder: tuple[float, ...] = EXACT
  tuning: TuningRules = tuning_rules.USUAL

  @property
  def scored(self) -> dict[str, WorkloadSpec]:
    """Workloads that give credit: all but held-out variants."""
    return {
      name: spec
      for name, spec in self.workloads.items()
      if not spec.held_out_of
    }

  @property
  def held_out_last(self) -> dict[str, WorkloadSpec]:
    """All workloads; held-out variants come last."""
    return self.scored | self.workloads

  def rungs(self, workload: str) -> tuple[WorkloadSpec, ...]:
    """Return a workload with each target of the ladder, the exact one first."""
    spec = self.workloads[workload]
    return tuple(map(spec.rung, self.ladder))

  def relaxed(self, share: float) -> 'Suite':
    """Return this suite with every target made easier by a share of itself.

    A target t becomes t * (1 + share) if lower is better, else t * (1 - share),
    as in AlgoPerf's report on self-tuning submissions of 2026
    (`--target_relaxations=all=SHARE` in scoring/config.py of
    mlcommons/submissions_algorithms). Held-out variants are relaxed too. Test
    targets are not relaxed, because they do not score. As in that report, the
    easier target counts alone: a suite that is relaxed has no ladder.

    Args:
      share: Share of a target, from 0 to below 1.

    Raises:
      SuiteError: the share is not in that range.
    """
    if not 0 <= share < 1:
      raise SuiteError(
        f'Targets cannot be relaxed by {share}. Give a share from 0 to below '
        '1: 0.05 is 5 %.'
      )
    if not share:
      return self
    specs = {name: spec.relaxed(share) for name, spec in self.workloads.items()}
    return dataclasses.replace(self, workloads=specs, ladder=EXACT)

  def seconds(self, workload: str, ruleset: str) -> float | None:
    """Return the budget of a published board; None if it is calibrated."""
    seconds = self.workloads[workload].seconds
    if seconds is None or ruleset not in self.rulesets:
      return None
    return seconds * self.rulesets[ruleset].budget_factor


def load(
  name: str,
  canonical: Callable[[str], str] = str,
  world: int | None = None,
  *,
  started: bool = True,
) -> Suite:
  """Return the suite of that name in configs/suites or configs/rules.

  Args:
    name: Name, or path of a .toml file.
    canonical: Gives the registered name of a workload for AlgoPerf's name.
    world: World to take the suite to, with the targets of its own file
      (`suite_files.world_file`), if there is one; None: the suite as it is.
    started: Whether a ladder needs `start` in every row with a target.

  Raises:
    SuiteError: no such suite, or a wrong, missing or unknown key in it.
  """
  path = suite_files.find(name)
  if world is None:
    table, where = suite_files.whole(path), str(path)
  else:
    table = suite_files.in_world(name, world)
    where = suite_files.place(name, world)
    path = suite_files.world_file(name, world)
  return parse(
    table, name=path.stem, where=where, canonical=canonical, started=started
  )


def parse(
  table: Mapping[str, Any],
  *,
  name: str,
  where: str,
  canonical: Callable[[str], str] = str,
  started: bool = True,
) -> Suite:
  """Return the suite in a table as TOML holds it.

  The table may not extend another suite: results come from other people, and
  must not decide which files are read here.

  Args:
    table: The table.
    name: Name of the suite.
    where: Place of the table, for messages.
    canonical: Gives the registered name of a workload for AlgoPerf's name.
    started: Whether a ladder needs `start` in every row with a target.

  Raises:
    SuiteError: a wrong, missing or unknown key.
  """
  schema.check(table, schema.SUITE, f'{where}:')
  if 'extends' in table:
    raise SuiteError(
      f'{where}: extends = {table["extends"]!r}: only the file of a suite may '
      'extend another suite. Remove the key.'
    )
  scored, unscored = table['workloads'], table.get('unscored', {})
  specs, world = unscored | scored, table.get('world', 0)
  if twice := unscored.keys() & scored.keys():
    raise SuiteError(f'{where}: {min(twice)} is both scored and unscored.')
  try:
    charges = accounts.from_json(table)
  except ValueError as error:
    raise SuiteError(f'{where}: {error}') from error
  workloads = rows.read(
    scored, specs, f'{where}: [workloads', canonical, lambda _: world
  )
  suite = Suite(
    name=name,
    version=table['version'],
    seed=table['seed'],
    cutoff=float(table['cutoff']),
    reference=table['reference'],
    rulesets={
      key: _ruleset(said, f'{where}: [rulesets.{key}]')
      for key, said in table['rulesets'].items()
    },
    workloads=workloads,
    unscored=rows.read(
      unscored,
      specs,
      f'{where}: [unscored',
      canonical,
      lambda workload: world if worlds.exist(workload) else 0,
    ),
    interpretation=_interpretation(
      table.get('scoring', {}), f'{where}: [scoring]'
    ),
    charges=charges,
    ladder=_ladder(table.get('ladder', [0.0]), where),
    tuning=tuning_rules.from_json(
      table.get('tuning', {}), f'{where}: [tuning]', workloads
    ),
  )
  if started and suite.ladder != EXACT:
    _check_starts(suite, where)
  for spec in suite.workloads.values():
    if spec.held_out_of and spec.held_out_of not in suite.scored:
      raise SuiteError(
        f'{where}: [workloads."{spec.workload}"] held_out_of = '
        f'{spec.held_out_of!r} must be a workload of the suite that is not '
        f'held out itself: {", ".join(suite.scored)}.'
      )
  return suite


def dump(suite: Suite) -> dict[str, Any]:
  """Return the table that `parse` turns back into this suite; fit for JSON."""
  table: dict[str, Any] = {
    'version': suite.version,
    'seed': suite.seed,
    'cutoff': suite.cutoff,
    'reference': suite.reference,
    'rulesets': {k: dataclasses.asdict(v) for k, v in suite.rulesets.items()},
    **suite.charges.to_json(),
    'workloads': {k: spec.to_json() for k, spec in suite.workloads.items()},
  }
  if suite.ladder != EXACT:
    table['ladder'] = list(suite.ladder)
  if tuning := suite.tuning.to_json():
    table['tuning'] = tuning
  if suite.unscored:
    table['unscored'] = {k: s.to_json() for k, s in suite.unscored.items()}
  if suite.interpretation != Interpretation():
    table['scoring'] = dataclasses.asdict(suite.interpretation)
  return table


def _ladder(said: list[Any], where: str) -> tuple[float, ...]:
  known = all(type(share) in schema.NUMBER for share in said)
  # NaN compares as false, so NaN is refused here too.
  if (
    known
    and said[:1] == [0]
    and all(low < high for low, high in zip(said, [*said[1:], 1], strict=True))
    and len(said) <= schema.MOST_RUNGS
  ):
    return tuple(map(float, said))
  raise SuiteError(
    f'{where}: ladder = {schema.shown(said)} must begin with 0.0, the exact '
    f'target, then rise, and stay below 1, with at most {schema.MOST_RUNGS} '
    'shares of the way from the target back to the start. For example: '
    'ladder = [0.0, 0.05, 0.2], or [0.0] for the exact target alone.'
  )


def _check_starts(suite: Suite, where: str) -> None:
  """Raise SuiteError if a row has a target and no start.

  Unscored rows need one too: who names them races them.
  """
  lacking = [
    name
    for name, spec in (suite.workloads | suite.unscored).items()
    if spec.target is not None and spec.start is None
  ]
  if lacking:
    raise SuiteError(
      f'{where}: the rows of {", ".join(lacking)} lack start, the value of the '
      'metric where training begins, which a ladder of several targets needs. '
      f'Measure it: timetrial set-targets --starts_only --suite=FILE.toml '
      f'--workloads={",".join(lacking)}. Or set ladder = [0.0].'
    )


def _interpretation(table: Mapping[str, Any], where: str) -> Interpretation:
  schema.check(table, schema.INTERPRETATION, where)
  for key, value in table.items():
    if value not in (known := INTERPRETATIONS[key]):
      raise SuiteError(
        f'{where} {key} = {value!r}; use one of {", ".join(known)}.'
      )
  return Interpretation(**table)


def _ruleset(table: Mapping[str, Any], where: str) -> Ruleset:
  schema.check(table, schema.RULESET, where)
  return Ruleset(
    studies=table['studies'],
    trials=table['trials'],
    budget_factor=float(table['budget_factor']),
  )
