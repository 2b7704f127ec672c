"""Merging of a new plan with the stored plan of a results folder.

A folder is one board: one suite, one ruleset and one clock. Every submission
has one source and at least the plan's number of studies; single cells may have
further ones, which `run --decide` adds.
"""

import dataclasses
import math
import pathlib
from collections.abc import Collection
from typing import Any

from runner.protocol import plan_file
from runner.protocol.plan import Plan
from runner.protocol.suites import suite as suites
from runner.protocol.suites.suite import Suite

ALIKE = 1.3  # Largest ratio of speeds, about what a busy machine loses.
HELP = 'Use another --out, or remove the folder if nothing in it is needed.'


class ResultsError(ValueError):
  """The folder cannot take these results; the message says why."""


def without(plan: Plan, names: Collection[str]) -> Plan:
  """Return the plan without the submissions of these names."""
  return plan_file.sealed(
    dataclasses.replace(
      plan,
      sources={n: one for n, one in plan.sources.items() if n not in names},
      trials=tuple(t for t in plan.trials if t.submission not in names),
    )
  )


def without_trials(plan: Plan, ids: Collection[str]) -> Plan:
  """Return the plan without the trials of these ids."""
  kept = tuple(trial for trial in plan.trials if trial.id not in ids)
  return plan_file.sealed(dataclasses.replace(plan, trials=kept))


def check(
  known: Plan, plan: Plan, out: pathlib.Path, *, mixed: bool, grows: bool
) -> None:
  """Raise ResultsError if a plan may not be added to the stored one.

  Args:
    known: The stored plan.
    plan: The plan to add.
    out: The results folder.
    mixed: Whether trials of different kinds of machines may be together.
    grows: Whether studies may be added.

  Raises:
    ResultsError: the plans cannot be combined; the message says why.
  """
  _check_rules(known, plan, out, grows)
  _check_machine(known, plan, out, mixed)
  for name, source in plan.sources.items():
    before = known.sources.get(name, source)
    if before.sha256 != source.sha256:
      raise ResultsError(
        f'{source.path} has changed since trials of {name!r} were planned '
        f'in {out}, and some have run. Rename the file, use another --out, or '
        f'remove the trials: timetrial forget --submissions={name} '
        f'--out={out}'
      )


def _check_rules(
  known: Plan, plan: Plan, out: pathlib.Path, grows: bool
) -> None:
  """Raise ResultsError if suite, ruleset or rules differ."""
  if known.suite.name == plan.suite.name and known.ruleset == plan.ruleset:
    _check_studies(known, plan, out, grows)
  for key, there, here in (
    ('suite', known.suite.name, plan.suite.name),
    ('ruleset', known.ruleset, plan.ruleset),
    ('rules', _without_studies(known.suite), _without_studies(plan.suite)),
  ):
    if there != here:
      raise ResultsError(
        f'{out} was made under other {key}: {_difference(there, here)}. {HELP}'
      )


def _check_studies(
  known: Plan, plan: Plan, out: pathlib.Path, grows: bool
) -> None:
  """Raise ResultsError if the number of studies may not change like this."""
  there, here = known.studies, plan.studies
  if there == here:
    return
  if not grows or here < there:
    raise ResultsError(
      f'{out} has {there} studies of every cell, and this command asks for '
      f'{here}. Use --studies={there} to keep them, or a larger number to add '
      'studies.'
    )
  if lacking := known.sources.keys() - plan.sources.keys():
    names = ','.join(sorted(lacking))
    raise ResultsError(
      f'{out} has {there} studies of {names} as well, and a board needs equal '
      f'numbers. Add {names} to --submissions, or leave out --studies.'
    )


def _without_studies(suite: Suite) -> dict[str, Any]:
  """Return the table of a suite without its numbers of studies."""
  rulesets = {
    name: dataclasses.replace(ruleset, studies=0)
    for name, ruleset in suite.rulesets.items()
  }
  return suites.dump(dataclasses.replace(suite, rulesets=rulesets))


def _check_machine(
  known: Plan, plan: Plan, out: pathlib.Path, mixed: bool
) -> None:
  """Raise ResultsError if seconds of the two plans cannot be compared."""
  kinds, name = known.kinds, plan.machine.name
  if name not in kinds and not mixed:
    raise ResultsError(
      f'{out} was made on {", ".join(sorted(kinds))}; this plan is for {name}, '
      f'and their seconds cannot be compared. {HELP} To combine them anyway: '
      '--mix_hardware'
    )
  faster = _faster(known.budgets, plan.budgets)
  same = name == known.machine.name
  if same and not mixed and not 1 / ALIKE < faster < ALIKE:
    raise ResultsError(
      f'{out} was made on a machine of this name ({name}) on which the '
      f'reference algorithm takes {faster:.2f} times as long as on this '
      'machine, and their seconds cannot be compared. If this machine was busy '
      'when it was measured, measure again: timetrial calibrate. '
      f'Otherwise: {HELP} To combine them anyway: --mix_hardware'
    )


def _faster(known: dict[str, float], here: dict[str, float]) -> float:
  """Return the geometric mean of known budgets over those of this machine."""
  both = [math.log(known[name] / here[name]) for name in known.keys() & here]
  return math.exp(sum(both) / len(both)) if both else 1.0


def _difference(a: Any, b: Any, path: str = '') -> str:
  """Return the first place where two tables differ, with both values."""
  if isinstance(a, dict) and isinstance(b, dict):
    for key in sorted(a.keys() | b.keys()):
      if a.get(key) != b.get(key):
        return _difference(a.get(key), b.get(key), f'{path}.{key}'.strip('.'))
  return f'{path} {a!r} there, {b!r} here'.strip()


def merged(known: Plan, plan: Plan) -> Plan:
  """Return the stored plan with the new trials of another plan.

  Budgets of the stored plan stay, because a board has one clock.
  """
  ids = {trial.id for trial in known.trials}
  fresh = tuple(trial for trial in plan.trials if trial.id not in ids)
  new_kind = plan.machine.name not in known.kinds
  return plan_file.sealed(
    dataclasses.replace(
      known,
      suite=plan.suite,  # The new suite may have more studies.
      stop=known.stop or plan.stop,
      also=(*known.also, plan.machine) if new_kind else known.also,
      budgets=plan.budgets | known.budgets,
      sources=known.sources | plan.sources,
      trials=known.trials + fresh,
    )
  )
