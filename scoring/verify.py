"""Check a results folder for contradictions.

A race records more than scores need: the plan, rules, seeds, sources and clock
accounts. All these records must agree with each other. A doubt speaks against
a result. A note is something that a reader should know.
"""

import collections
import functools
import itertools
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from runner.protocol import layout, plan_file
from runner.protocol.plan import Plan
from scoring import (
  audit,
  hopeless_audit,
  peers,
  profile_audit,
  sealed as sealings,
)
from scoring.load import details
from scoring.load.details import Details
from scoring.load.results import Results
from scoring.load.tree import relative
from scoring.report import findings, terminal

COMPLETE = 'landlock'  # What a trial says of its limits on files and signals,
GAP = ', but it can '  # and what follows if some are missing.
MOST = 100  # Findings per trial; a file may have millions of lines.
# Settings that change how fast a machine is, and no numbers beyond what another
# processor changes. Untimed trials run on any machine.
SPEED = re.compile(
  'niceness|frequency governor|huge pages|cores by quota|OPENBLAS_|OMP_|GOMP_|'
  'KMP_|GOTO_|MKL_|BLIS_|VECLIB_|NUMEXPR_|MALLOC_|GLIBC_TUNABLES|TCMALLOC_|'
  'MIMALLOC_'
)
OLD = (
  'The plan was made before plans had a hash of every rule. Later changes of '
  'cutoff, reference, budget factor, interpretation or budgets cannot be '
  "detected. The plan's hash covers metrics, targets and steps of the "
  'workloads, seeds, sources and hyperparameters.'
)


class Finding(NamedTuple):
  """One doubt or note; findings sort by path."""

  path: str  # Path relative to the results folder.
  doubt: bool
  text: str


def verify(results: Results) -> list[Finding]:
  """Return all findings on a results folder, in the order of paths."""
  found = [Finding(p.path, True, p.reason) for p in results.problems]
  plan = results.plan
  # Once for all trials: 1,800 trials of one plan took 6 s for these hashes.
  hashes = functools.cache(
    lambda: plan_file.common_hashes(plan) if plan else {}
  )
  if plan is None:
    text = 'There is no plan: seeds, sources and budgets cannot be checked.'
    found.append(Finding(layout.PLAN, False, text))
  else:
    found += _checked_plan(plan)
  for trial in results.trials:
    if os.path.isdir(trial.folder):
      where = relative(results.folder, trial.folder)
      told = audit.checked(trial, plan, results.planned.get(trial.key), hashes)
      found += [
        Finding(where, doubt, text)
        for doubt, text in itertools.islice(told, MOST)
      ]
      if next(told, None):
        text = f'Only the first {MOST} findings on this trial are listed.'
        found.append(Finding(where, True, text))
  sealed = (Finding(*told) for told in sealings.checked(results))
  again = (Finding(*told) for told in profile_audit.checked(results))
  stops = (Finding(*told) for told in hopeless_audit.checked(results))
  return sorted({*found, *_machines(results), *sealed, *again, *stops})


def table(found: list[Finding]) -> list[dict[str, Any]]:
  """Return findings as a table for JSON."""
  return [one._asdict() for one in found]


def show(results: Results, found: list[Finding], console) -> None:
  """Print findings, doubts first, and the number of trials without doubts.

  Args:
    results: The results that were checked.
    found: All findings.
    console: The rich console to print on.
  """
  for doubt, title in ((True, 'Doubts'), (False, 'Notes')):
    some = [one for one in found if one.doubt is doubt]
    if some:
      console.print(f'{title}:', style='bold')
    for place, text in findings.folded(some):
      console.print(terminal.text_of(f'  {place}: {text}'))
  paths = {one.path for one in found if one.doubt}
  sound = sum(
    relative(results.folder, trial.folder) not in paths
    for trial in results.trials
  )
  console.print(
    f'{sound} of {len(results.trials)} trials have no doubts; '
    f'{sum(one.doubt for one in found)} doubts in all.'
  )
  console.print(sealings.ending(results), soft_wrap=True)


def _checked_plan(plan: Plan) -> Iterator[Finding]:
  try:
    yield from _planned(plan)
    yield from _forgotten(plan)
  except audit.BROKEN as error:
    text = f'The plan cannot be checked: {type(error).__name__} {error}.'
    yield Finding(layout.PLAN, True, text)


def _planned(plan: Plan) -> Iterator[Finding]:
  """Check that the plan's hash, ids and seeds match its content."""

  def doubt(text: str) -> Finding:
    return Finding(layout.PLAN, True, text)

  ids = [trial.id for trial in plan.trials]
  if plan.hash != plan_file.digest(ids, plan.hashes):
    yield doubt(
      "The plan's hash does not match its trials and rules: some were changed."
    )
  if plan.hashes is None:
    yield Finding(layout.PLAN, False, OLD)
  seeds = collections.defaultdict(list)
  for trial in plan.trials:
    seeds[trial.submission, trial.seed].append(str(trial.key))
    source = plan.sources.get(trial.submission)
    spec = plan.suite.workloads.get(trial.workload)
    if source is None or spec is None:
      yield doubt(f'{trial.key}: the plan lacks its source or its workload.')
      continue
    if trial.id != plan_file.identity(trial, source.sha256, spec):
      yield doubt(
        f'{trial.key}: the id does not match rules, source, seed and '
        'hyperparameters: some were changed.'
      )
    seed = plan_file.seed(
      plan.suite.seed, trial.workload, trial.study, trial.trial
    )
    if trial.seed != seed:
      yield doubt(
        f'{trial.key}: the seed is {trial.seed}, but should be {seed}.'
      )
  for (_, seed), names in seeds.items():
    if len(names) > 1:
      yield doubt(f'{", ".join(names)} have the same seed, {seed}.')


def _forgotten(plan: Plan) -> Iterator[Finding]:
  """Report submissions removed from the plan after some trials had run."""
  for one in plan.forgotten:
    text = (
      f'{one["submission"]} was removed from the plan at {one["time"]}, after '
      f'{one["run"]} of its trials had run.'
    )
    yield Finding(str(one['folder']), False, text)


def _told(known: Details, planned: str | None) -> Iterator[tuple[bool, str]]:
  """Yield what a trial's own facts show, and whether it is a doubt."""
  for text in known.damage:
    yield True, text
  hardware = known.facts.get('hardware')
  name = hardware.get('name') if isinstance(hardware, dict) else None
  if None not in (name, planned) and name != planned:
    yield True, f'The trial ran on {name}; the plan is for {planned}.'
  if known.facts.get('git_changes'):
    yield False, 'The code had uncommitted changes.'
  if known.doubted:
    yield (
      False,
      f'JAX contradicts the recorded seconds of {known.doubted} compiled '
      "programs. JAX's seconds were charged.",
    )
  if known.crowded:
    yield (
      False,
      f'{known.crowded} programs were compiled in a thread, beside one, or '
      'without a cache of compiled programs. Their seconds were charged, which '
      'this suite does not do otherwise.',
    )


def _machines(results: Results) -> Iterator[Finding]:
  """Check that all trials ran on the same hardware, code and data."""
  kinds = collections.defaultdict(set)
  environments: list[dict[str, Any]] = []
  timed: list[dict[str, Any]] = []  # Those of timed trials.
  sandboxes: collections.Counter[str] = collections.Counter()
  all_known = []
  for trial in results.trials:
    if not os.path.isdir(trial.folder):
      continue
    where = relative(results.folder, trial.folder)
    known = details.read(trial, None)
    all_known.append((trial, known))
    planned = results.machine.get('name') if trial.timed else None
    yield from (
      Finding(where, doubt, text) for doubt, text in _told(known, planned)
    )
    facts = known.facts
    sandboxes[str(facts.get('sandbox', COMPLETE))] += 1
    kinds['kinds of devices'].add(str(facts.get('devices')))
    kinds['commits of the code'].add(str(facts.get('git_commit_hash')))
    kinds['sets of packages'].add(str(facts.get('packages')))
    kinds['values of --shard_state'].add(str(facts.get('shard_state', False)))
    kinds[f'datasets on {trial.key.workload}'].add(str(facts.get('data') or {}))
    own = facts.get('environment')
    if isinstance(own, dict):
      environments.append(own)
      timed += [own] if trial.timed else []
  for trial, text in peers.unusual(all_known):
    yield Finding(relative(results.folder, trial.folder), True, text)
  for said, count in sandboxes.items():
    if not said.startswith(COMPLETE) or GAP in said:
      text = f'Trials ran with fewer limits on files: {said} ({count} in all).'
      yield Finding('.', False, text)
  # Trials from before these were recorded say nothing.
  doubtful = audit.different(timed).keys()
  for name, values in audit.different(environments).items():
    text = f'Trials ran with different {name}: {", ".join(values)}.'
    yield Finding('.', name in doubtful or not SPEED.match(name), text)
  for what, found in kinds.items():
    if len(found) > 1:
      text = f'Trials ran with {len(found)} {what}: {"; ".join(sorted(found))}.'
      doubt = what.startswith(('kinds of devices', 'datasets'))
      yield Finding('.', doubt, text)
