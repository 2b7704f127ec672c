"""The exact list of trials that a suite and some submissions expand to.

Made once, hashed and written down: what runs is what was planned. Needs
neither JAX nor the submissions' code to be run.
"""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import submissions
import workloads
from runner.machine.hardware import Speed
from runner.protocol import layout, plan_file, search_space, suite as rules

MOST = 100_000  # Trials of a plan.
FOR_EVER = 1e9  # Seconds.


class Trial(NamedTuple):
  submission: str
  workload: str
  study: int  # From 0.
  trial: int  # From 1, within the study.
  seed: int
  hyperparameters: dict[str, Any]
  id: str  # Hash of everything that decides what this trial does.

  def folder(self, out) -> pathlib.Path:
    return layout.folder(
      out, self.submission, self.workload, self.study, self.trial
    )


class Plan(NamedTuple):
  suite: rules.Rules
  ruleset: str
  machine: dict[str, Any]
  budgets: dict[str, float]  # Charged seconds by workload; empty: not known.
  entries: dict[str, submissions.Entry]
  trials: list[Trial]
  mixed: bool = False  # Whether trials of other kinds may be beside them.
  grows: bool = False  # Whether it may add studies to a results folder.

  @property
  def hash(self) -> str:
    """Of all that decides what its trials do and how they are scored."""
    return table(self)['hash']

  @property
  def hours(self) -> float | None:
    """At most so many are charged, if every trial uses up its budget.

    None where a budget is not known.
    """
    if set(self.budgets) != set(self.suite.workloads):
      return None
    return sum(self.budgets[t.workload] for t in self.trials) / 3600


def make(
  suite: rules.Rules,
  ruleset: str,
  requests: Sequence[str],
  machine: dict[str, Any],
  speeds: dict[str, Speed],
) -> Plan:
  """The plan of these submissions, by name or path.

  Raises:
    ValueError: a name is unknown, or a submission cannot run in this ruleset.
  """
  if ruleset not in suite.rulesets:
    raise rules.RulesError(
      f'Suite {suite.name} has no ruleset {ruleset!r}. '
      f'Known: {", ".join(suite.rulesets)}.'
    )
  for name in suite.workloads:
    workloads.check(name)
  entries = {}
  for request in requests:
    entry = submissions.find(request)
    if entry.name in entries:
      raise submissions.SubmissionError(
        f'{entry.name!r} is entered twice. Enter one of them under another '
        f'name: --submissions=NAME={request}'
      )
    entries[entry.name] = entry
  _check_count(suite, ruleset, len(entries))
  trials = [
    one for entry in entries.values() for one in _trials(suite, ruleset, entry)
  ]
  factor = suite.rulesets[ruleset].budget_factor
  known = {n: row.seconds for n, row in suite.workloads.items() if row.seconds}
  known |= {n: s.seconds(suite.workloads[n].steps) for n, s in speeds.items()}
  budgets = {n: factor * seconds for n, seconds in known.items()}
  return Plan(suite, ruleset, machine, budgets, entries, trials)


def _check_count(suite: rules.Rules, ruleset: str, entries: int) -> None:
  """Raise RulesError where a plan would have more trials than one may."""
  studies, number, _ = suite.rulesets[ruleset]
  rows = len(suite.workloads)
  if (total := entries * rows * studies * number) > MOST:
    raise rules.RulesError(
      f'{entries} submissions, {rows} workloads, {studies} studies and '
      f'{number} trials a study make {total:,} trials, and a plan has at most '
      f'{MOST:,}. Ask for fewer of them, as by --studies=3.'
    )


def make_endless(
  suite: rules.Rules,
  ruleset: str,
  requests: Sequence[str],
  machine: dict[str, Any],
) -> Plan:
  """A plan whose trials stop by a limit of steps: no targets, no budgets."""
  rows = {
    name: row._replace(target=None) for name, row in suite.workloads.items()
  }
  endless = dict.fromkeys(rows, Speed(FOR_EVER, 0.0))
  aimless = suite._replace(workloads=rows)
  return make(aimless, ruleset, requests, machine, endless)


def _trials(
  suite: rules.Rules, ruleset: str, entry: submissions.Entry
) -> list[Trial]:
  studies = suite.rulesets[ruleset].studies
  points = _points(suite, ruleset, entry)
  return [
    trial(suite, entry, name, study, number, point)
    for study in range(studies)
    for name in suite.workloads
    for number, point in enumerate(points[study], start=1)
  ]


def _points(
  suite: rules.Rules, ruleset: str, entry: submissions.Entry
) -> list[list[dict[str, Any]]]:
  """The points of every study: the same list in each, or fresh draws."""
  studies, trials, _ = suite.rulesets[ruleset]
  if ruleset == 'self':
    if entry.self_point is None:
      raise submissions.SubmissionError(
        f'{entry.path} has no SELF, its one point in the self-tuning ruleset. '
        'Write SELF = {...}, or use --ruleset=external.'
      )
    found = [[entry.self_point]] * studies
  elif entry.space is None:
    raise submissions.SubmissionError(
      f'{entry.path} has no SPACE, its search space in the external ruleset. '
      'Write SPACE = {...}, or use --ruleset=self.'
    )
  else:
    where = f'{entry.path}: SPACE'
    count = trials * (studies if isinstance(entry.space, dict) else 1)
    drawn = search_space.points(entry.space, count, suite.seed, where)
    found = (
      [drawn[s * trials : (s + 1) * trials] for s in range(studies)]
      if isinstance(entry.space, dict)
      else [drawn] * studies
    )
  name = 'SELF' if ruleset == 'self' else 'SPACE'
  for point in found[0]:
    submissions.check_point(entry, point, name)
  return found


def trial(
  suite: rules.Rules,
  entry: submissions.Entry,
  workload: str,
  study: int,
  number: int,
  point: dict[str, Any],
  seed: int | None = None,
) -> Trial:
  """One trial at a point; with the seed of a race, if none is given."""
  # The same for every submission: they share initial values and data order,
  # so that comparing them within a study takes less noise along.
  if seed is None:
    seed = plan_file.seed(suite.seed, workload, study, number)
  facts = rules.facts(suite.workloads[workload])
  made = Trial(entry.name, workload, study, number, seed, point, '')
  known = plan_file.identity(made._asdict(), entry.sha256, facts)
  return made._replace(id=known)


def table(plan: Plan) -> dict[str, Any]:
  """The plan as it is written to plan.json and printed by --json."""
  facts = {
    'suite': plan.suite.name,
    'ruleset': plan.ruleset,
    'rules': rules.dump(plan.suite),
    'hardware': plan.machine,
    'seconds': plan.budgets,
    'sources': {
      name: {'path': str(entry.path), 'sha256': entry.sha256}
      for name, entry in plan.entries.items()
    },
    'hashes': {},
    'hash': '',
    'trials': [t._asdict() for t in plan.trials],
  }
  return plan_file.sealed(facts)
