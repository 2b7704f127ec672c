"""What in a results folder should not be believed.

A race leaves more behind than scores need: what was planned and by which rules,
seeds, sources, accounts of the clock. They must agree with each other. What
speaks against a result is a doubt; what a reader should know of it is a note.
"""

import collections
import csv
import itertools
import math
import os
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from runner import records, storage
from scoring import costs, details, terminal
from scoring.files import plain
from scoring.read import Results
from scoring.tree import relative
from scoring.trials import Key, Trial

RISING = (  # Columns that never fall, and of them the one that always rises.
  'global_step',
  'accumulated_submission_time',
  'accumulated_eval_time',
  'accumulated_logging_time',
  'accumulated_compile_time',
  'accumulated_data_time',
  'accumulated_view_time',
  'preemption_count',
  'total_duration',
)
STEP, CHARGED, COMPILE, TOTAL = (RISING[n] for n in (0, 1, 4, -1))
CLOSE = 1e-6  # Relative; sums of the same seconds in another order.
BROKEN = (  # What comes of files that hold something else than they should.
  OSError,
  ValueError,
  LookupError,
  TypeError,
  AttributeError,
  ArithmeticError,
  csv.Error,
)
SLOWED = (  # By heat, or because power fails; words of NVIDIA's cards.
  'hw_slowdown',
  'sw_thermal_slowdown',
  'hw_thermal_slowdown',
  'hw_power_brake_slowdown',
)
OFF_ACCOUNT = 0.01, 0.1  # Of the wall time, or in seconds: as races allow.


class Finding(NamedTuple):
  """One of them; sorts by path."""

  path: str  # Relative to the results folder.
  doubt: bool
  text: str


def verify(results: Results) -> list[Finding]:
  """Everything that is found, in the order of paths."""
  found = [Finding(p.path, True, p.reason) for p in results.problems]
  plan = _plan(results.folder)
  if plan is None:
    text = 'There is no plan: seeds, sources and budgets cannot be checked.'
    found.append(Finding(records.PLAN, False, text))
  else:
    found += _checked_plan(plan)
  for trial in results.trials:
    if os.path.isdir(trial.folder):
      where = relative(results.folder, trial.folder)
      found += [
        Finding(where, doubt, text) for doubt, text in _trial(trial, plan)
      ]
  return sorted({*found, *_machines(results)})


def table(found: list[Finding]) -> list[dict[str, Any]]:
  """For programs."""
  return [one._asdict() for one in found]


def show(results: Results, found: list[Finding], console) -> None:
  """Prints findings, doubts first, and how many trials are beyond doubt."""
  for doubt, title in ((True, 'Do not believe'), (False, 'Know')):
    some = [one for one in found if one.doubt is doubt]
    if some:
      console.print(f'{title}:', style='bold')
    for one in some:
      console.print(terminal.text_of(f'  {one.path}: {one.text}'))
  paths = {one.path for one in found if one.doubt}
  sound = sum(
    relative(results.folder, trial.folder) not in paths
    for trial in results.trials
  )
  console.print(
    f'{sound} of {len(results.trials)} trials are beyond doubt; '
    f'{sum(one.doubt for one in found)} doubts in all.'
  )


def _plan(folder: pathlib.Path) -> dict[str, Any] | None:
  """It can be read: reading the results has seen to that."""
  path = folder / records.PLAN
  return storage.read_json(path) if path.exists() else None


def _checked_plan(plan: dict[str, Any]) -> Iterator[Finding]:
  try:
    yield from _planned(plan)
  except BROKEN as error:
    text = f'It cannot be checked: {type(error).__name__} {error}.'
    yield Finding(records.PLAN, True, text)


def _planned(plan: dict[str, Any]) -> Iterator[Finding]:
  """What the plan says of itself."""

  def doubt(text: str) -> Finding:
    return Finding(records.PLAN, True, text)

  trials, sources = plan['trials'], plan.get('sources', {})
  if plan.get('hash') != records.plan_hash(trial['id'] for trial in trials):
    yield doubt('Its hash is not that of its trials: some were changed.')
  seeds = collections.defaultdict(list)
  for trial in trials:
    seeds[trial['submission'], trial['seed']].append(_name(trial))
    source = sources.get(trial['submission'])
    row = plan['rules']['workloads'].get(trial['workload'])
    if source is None or row is None:
      yield doubt(f'{_name(trial)}: its source or its rules are not told.')
      continue
    if trial['id'] != records.identity(trial, source['sha256'], row):
      yield doubt(
        f'{_name(trial)}: its id is not that of its rules, source, seed and '
        'hyperparameters: something was changed.'
      )
    seed = records.seed(
      plan['rules']['seed'], trial['workload'], trial['study'], trial['trial']
    )
    if trial['seed'] != seed:
      yield doubt(f'{_name(trial)}: its seed is {trial["seed"]}, not {seed}.')
  for (_, seed), names in seeds.items():
    if len(names) > 1:
      yield doubt(f'{", ".join(names)} have the same seed, {seed}.')


def _name(trial: dict[str, Any]) -> str:
  return Key(*(trial[name] for name in Key._fields)).__repr__()[3:]


def _trial(
  trial: Trial, plan: dict[str, Any] | None
) -> Iterator[tuple[bool, str]]:
  """Doubts (True) and notes on one trial."""
  try:
    path = plain(trial.folder / records.ATTEMPTS)
    events = list(storage.read_lines(path))
    yield from ((True, text) for text in _files(events, trial.folder))
    if plan is not None:
      yield from ((True, text) for text in _as_planned(trial, plan))
    rows = storage.read_rows(plain(trial.folder / records.EVALS))
    yield from ((True, text) for text in _rows(rows))
    yield from ((True, text) for text in _attempts(events, rows))
    yield from ((True, text) for text in _slowed(events))
    budget = trial.budget
    if trial.evals and trial.evals.seconds[-1] > budget * (1 + CLOSE):
      yield (
        True,
        f'Its last evaluation is at {trial.evals.seconds[-1]:.4g} s, after its '
        f'budget of {budget:.4g} s.',
      )
    stopped = sum(event.get('suspended_seconds', 0.0) for event in events)
    if stopped:
      yield False, f'It was suspended for {stopped:.1f} s, not charged.'
    interrupted = sum(event['event'] == 'start' for event in events) - 1
    if interrupted > 0:
      yield False, f'It was interrupted and resumed {interrupted} times.'
    for event in events:
      if event['event'] == 'damaged':
        text = f'{event["file"]} was damaged; the one before it was used.'
        yield False, text
  except BROKEN as error:
    yield True, f'Its files cannot be checked: {type(error).__name__} {error}.'


def _as_planned(trial: Trial, plan: dict[str, Any]) -> Iterator[str]:
  """Whether the folder holds the trial of the plan, and its source."""
  own = storage.read_json(plain(trial.folder / records.TRIAL))
  entries = [
    entry
    for entry in plan['trials']
    if all(entry[name] == getattr(trial.key, name) for name in Key._fields)
  ]
  for entry in entries:
    for name in ('seed', 'hyperparameters'):
      if own.get(name) != entry[name]:
        yield (
          f'It ran with {name} {own.get(name)!r}; planned is {entry[name]!r}.'
        )
  row = plan['rules']['workloads'].get(trial.key.workload)
  if 'row' in own and own['row'] != row:
    yield f'It ran under other rules: {own["row"]!r}; planned is {row!r}.'
  planned = plan['seconds'].get(trial.key.workload)
  if own.get('budget_seconds') != planned:
    yield (
      f'Its budget was {own.get("budget_seconds")} s; planned is {planned} s.'
    )
  source = plan.get('sources', {}).get(trial.key.submission)
  path = records.source(trial.folder, trial.key.submission)
  if source is None or not path.exists():
    yield 'Its source is not there.'
  elif records.source_hash(_plain_source(path)) != source['sha256']:
    yield 'Its source is not the one that was planned.'


def _plain_source(path: pathlib.Path) -> pathlib.Path:
  return path if path.is_dir() else plain(path)


def _rows(rows: list[dict[str, str]]) -> Iterator[str]:
  """Whether steps and times rise, and times add up."""
  for before, row in itertools.pairwise(rows):
    for name in RISING:
      if name not in row:
        continue
      old, new = float(before[name]), float(row[name])
      if new < old or (name == STEP and new == old):
        yield f'{name} goes from {before[name]} to {row[name]}.'
  for row in rows:
    if float(row.get(COMPILE) or 0) > float(row[CHARGED]):
      yield f'At step {row[STEP]}, more is compiled than charged.'
    spent = [float(row.get(name) or 0) for name in RISING[1:4]]
    if float(row.get(TOTAL) or math.inf) < sum(spent) * (1 - CLOSE):
      yield (
        f'At step {row[STEP]} it has spent {sum(spent):.4g} s of '
        f'{float(row[TOTAL]):.4g} s in all.'
      )


def _attempts(
  events: list[dict[str, Any]], rows: list[dict[str, str]]
) -> Iterator[str]:
  """Whether the accounts of the clock add up."""
  for event in events:
    number = event['attempt']
    if event['event'] == 'end' and event['accounts']:
      spent = event['accounts']
      charged = sum(spent.get(name, 0.0) for name in costs.CHARGED)
      if not math.isclose(charged, event['seconds'], rel_tol=CLOSE):
        yield (
          f'Attempt {number} charged {event["seconds"]:.6g} s, and its '
          f'accounts say {charged:.6g} s.'
        )
    if event['event'] == 'exit' and 'residual_seconds' in event:
      share, least = OFF_ACCOUNT
      off = abs(event['residual_seconds'])
      if off > max(share * event['wall_seconds'], least):
        yield f'{off:.3g} s of attempt {number} are on no account.'
  ends = [event for event in events if event['event'] == 'end']
  if rows and ends and ends[-1]['accounts']:
    last, end = float(rows[-1][CHARGED]), ends[-1]['seconds']
    if last > end * (1 + CLOSE):
      yield f'It has an evaluation at {last:.6g} s, and ended at {end:.6g} s.'


def _files(events: list[dict[str, Any]], folder: pathlib.Path) -> Iterator[str]:
  """Whether rows are as they were when the trial ended."""
  ends = [event for event in events if event['event'] == 'end']
  for name in (records.EVALS, records.SCALARS):
    plain(folder / name)
  now = records.row_hashes(folder)
  for name, known in ends[-1].get('files', {}).items() if ends else ():
    if now.get(name) != known:
      yield f'{name} is not as the trial left it.'


def _slowed(events: list[dict[str, Any]]) -> Iterator[str]:
  """Whether cards had to save themselves, so that seconds were worth less."""
  for event in events:
    cards = event.get('cards', {})
    found = [
      f'{name} in {count} of {cards["looks"]} looks'
      for name, count in cards.get('reasons', {}).items()
      if name in SLOWED
    ]
    if found:
      yield (
        f'Cards slowed down in attempt {event["attempt"]}, for heat or power: '
        f'{", ".join(found)}.'
      )


def _machines(results: Results) -> Iterator[Finding]:
  """Whether all ran on one kind of hardware, with the same code."""
  kinds = collections.defaultdict(set)
  for trial in results.trials:
    if not os.path.isdir(trial.folder):
      continue
    where = relative(results.folder, trial.folder)
    known = details.read(trial, None)
    for text in known.damage:
      yield Finding(where, True, text)
    facts = known.facts
    hardware = facts.get('hardware')
    name = hardware.get('name') if isinstance(hardware, dict) else None
    planned = results.machine.get('name')
    if None not in (name, planned) and name != planned:
      text = f'It ran on {name}; the plan is for {planned}.'
      yield Finding(where, True, text)
    if facts.get('git_changes'):
      yield Finding(where, False, 'The code had changes nobody has committed.')
    kinds['kinds of devices'].add(str(facts.get('devices')))
    kinds['commits of the code'].add(str(facts.get('git_commit_hash')))
    kinds['sets of packages'].add(str(facts.get('packages')))
  for what, found in kinds.items():
    if len(found) > 1:
      text = f'Trials ran with {len(found)} {what}: {"; ".join(sorted(found))}.'
      yield Finding('.', what == 'kinds of devices', text)
