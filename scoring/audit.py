"""Check that the files of one trial agree with each other."""

import csv
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.protocol import agreement, columns, layout, storage
from runner.protocol.plan import Plan, PlannedTrial
from runner.protocol.quantities import apart, plain
from runner.protocol.records.events import EXAM
from runner.protocol.timing import accounts
from scoring import clock_audit, row_audit
from scoring.clock_audit import CLOSE
from scoring.load import safe_files
from scoring.load.trial import Trial
from submissions.algoperf import folders

BROKEN = (  # Exceptions that unexpected content of a file may cause.
  OSError,
  ValueError,
  LookupError,
  TypeError,
  AttributeError,
  ArithmeticError,
  csv.Error,
)


def checked(
  trial: Trial,
  plan: Plan | None,
  planned: PlannedTrial | None,
  hashes: Callable[[], Mapping[str, str]],
) -> Iterator[tuple[bool, str]]:
  """Yield doubts (True, text) and notes (False, text) on one trial.

  Args:
    trial: The trial as read from its folder.
    plan: The plan, or None.
    planned: The trial in the plan, or None.
    hashes: Returns the hashes of the plan's rules.
  """
  try:
    path = safe_files.plain(trial.folder / layout.ATTEMPTS)
    events = list(storage.read_lines(path))
    yield from ((True, text) for text in _files(events, trial.folder))
    if plan is not None:
      yield from (
        (True, text) for text in _as_planned(trial, plan, planned, hashes)
      )
    rows = storage.read_rows(safe_files.plain(trial.folder / layout.EVALS))
    yield from ((True, text) for text in row_audit.impossible(rows))
    charges = plan.suite.charges if plan else accounts.ALL
    yield from ((True, text) for text in row_audit.clocks(rows, charges))
    for event in events:
      if event['event'] == 'damaged':
        text = f'{event["file"]} was damaged; the file before it was used.'
        yield False, text
    over = _started_over(events, rows)
    yield from _interruptions(events, rows, over)
    events = [event for event in events if event['attempt'] >= over]
    yield from ((True, text) for text in _changed(events, trial.folder))
    clock = clock_audit.doubts(events, rows, charges, trial.timed)
    yield from ((True, text) for text in clock)
    yield from _evaluated_again(trial, events, rows, plan)
    budget = trial.budget
    late = trial.timed and trial.evals
    if late and trial.evals.seconds[-1] > budget * (1 + CLOSE):
      last, most = apart(float(trial.evals.seconds[-1]), budget)
      yield (
        True,
        f'The last evaluation is at {last} s, after the budget of {most} s.',
      )
    stopped = sum(event.get('suspended_seconds', 0.0) for event in events)
    if stopped:
      yield (
        False,
        f'The trial was suspended for {stopped:.1f} s, which are not charged.',
      )
    if over := trial.accounts.get(accounts.OVERRUN):
      yield (
        False,
        f'{plain(over, 2)} s of compiling, evaluations and records beyond what '
        'is free were charged.',
      )
  except BROKEN as error:
    yield (
      True,
      f"The trial's files cannot be checked: {type(error).__name__} {error}.",
    )


def _as_planned(
  trial: Trial,
  plan: Plan,
  planned: PlannedTrial | None,
  hashes: Callable[[], Mapping[str, str]],
) -> Iterator[str]:
  """Check that the folder holds the planned trial and its source."""
  own = storage.read_json(safe_files.plain(trial.folder / layout.TRIAL))
  if planned is not None:
    for name in ('seed', 'hyperparameters'):
      there, here = getattr(planned, name), own.get(name)
      if here != there:
        yield (
          f'The trial ran with {name} {here!r}, but the plan has {there!r}.'
        )
  spec = plan.suite.workloads.get(trial.key.workload)
  row = spec.to_json() if spec else None
  if 'row' in own and own['row'] != row:
    yield (
      f'The trial ran under other rules: {own["row"]!r}, but the plan has '
      f'{row!r}.'
    )
  now = hashes()
  for name, known in own.get('hashes', {}).items():
    if now.get(name) != known:
      yield f'The trial ran under another {name} than {layout.PLAN} has now.'
  budget = plan.budgets.get(trial.key.workload)
  if trial.timed and own.get('budget_seconds') != budget:
    yield (
      f"The trial's budget was {own.get('budget_seconds')} s, but the plan has "
      f'{budget} s.'
    )
  source = plan.sources.get(trial.key.submission)
  path = layout.source(trial.folder, trial.key.submission)
  if source is None or not path.exists():
    yield "The submission's source is missing."
  elif folders.sha256(_plain_source(path)) != source.sha256:
    yield "The submission's source differs from the planned source."


def _plain_source(path: pathlib.Path) -> pathlib.Path:
  return path if path.is_dir() else safe_files.plain(path)


def _interruptions(
  events: list[dict[str, Any]], rows: list[dict[str, str]], over: int
) -> Iterator[tuple[bool, str]]:
  """Yield how often a trial was resumed, and whether it started over.

  Args:
    events: Events of its attempts.
    rows: Its evaluations.
    over: The first attempt that counts, see `_started_over`.
  """
  lost = _first_kept(events, rows)
  if over:
    yield (
      False,
      f'The trial started over after attempt {over - 1}, which was invalid.',
    )
  elif lost:
    raised = _raised(events, lost)
    yield (
      bool(raised),
      f'The trial started over in attempt {lost}, without the seconds and '
      f'steps of those before.{raised}',
    )
  begun = [event['attempt'] for event in events if event['event'] == 'start']
  resumed = sum(attempt >= max(over, lost) for attempt in begun) - 1
  if resumed > 0:
    yield False, f'The trial was interrupted and resumed {resumed} times.'


def _first_kept(
  events: list[dict[str, Any]], rows: list[dict[str, str]]
) -> int:
  """Return the attempt of the first row: the result began there, at step 0."""
  last = max((event['attempt'] for event in events), default=0)
  return min((int(row.get(columns.ATTEMPT) or 0) for row in rows), default=last)


def _raised(events: list[dict[str, Any]], attempt: int) -> str:
  """Return what an exception says that ended an earlier attempt, or ''.

  A machine that fails ends a process from outside. An error within it may be
  the submission's own, made to start over with what it has learnt.
  """
  for event in events:
    reason = str(event.get('reason', ''))
    if (
      event['event'] == 'end'
      and event['attempt'] < attempt
      and event['outcome'] == 'preempted'
      and layout.TRACEBACK in reason
    ):
      return f' An exception ended attempt {event["attempt"]}: {reason}.'
  return ''


def _started_over(
  events: list[dict[str, Any]], rows: list[dict[str, str]]
) -> int:
  """Return the number of the first attempt that this result comes from.

  Attempts up to an invalid attempt do not count, unless the invalid attempt is
  the last, or rows of these attempts (and so their clock) were kept.
  """
  kept = _first_kept(events, rows)
  invalid = [
    event['attempt'] + 1
    for event in events
    if event['event'] == 'end' and event['outcome'] == 'invalid'
  ]
  return max((over for over in invalid if over <= kept), default=0)


def _evaluated_again(
  trial: Trial,
  events: list[dict[str, Any]],
  rows: list[dict[str, str]],
  plan: Plan | None,
) -> Iterator[tuple[bool, str]]:
  """Yield what the second evaluation of a model says about a trial.

  Plans that are older than these evaluations ask for none.
  """
  *_, end = [event for event in events if event['event'] == 'end'] or [{}]
  if end.get('outcome') not in layout.SCORED or not _met(trial, rows, plan):
    return
  exams = [
    event
    for event in events
    if event['event'] == EXAM and event['attempt'] == end['attempt']
  ]
  again = 'Try it: timetrial verify-again --out=RESULTS'
  if not exams:
    if plan is not None and plan.exam:
      text = f'Its model was not evaluated again. {again}'
      yield False, text
    return
  last = exams[-1]
  if last['agrees'] is None:
    yield False, f'Its model was not evaluated again: {last["why"]} {again}'
    return
  recorded = agreement.recorded(rows[-1])
  if not (why := last['why']):
    again = last['metrics']
    splits = {name.partition('/')[0] for name in again} | {columns.VALIDATION}
    why = agreement.difference(agreement.on(recorded, splits), again)
  if why:
    yield True, f'Its model does not agree with what it recorded: {why}'


def _met(trial: Trial, rows: list[dict[str, str]], plan: Plan | None) -> bool:
  """Return whether a row meets the target that the trial ran for."""
  spec = plan.suite.workloads.get(trial.key.workload) if plan else None
  if spec is None:
    return trial.at is not None
  return any(
    spec.reached(float(row[spec.column]))
    for row in rows
    if row.get(spec.column)
  )


def _files(events: list[dict[str, Any]], folder: pathlib.Path) -> Iterator[str]:
  """Check that files of rows are unchanged since the trial ended."""
  ends = [event for event in events if event['event'] == 'end']
  for name in (layout.EVALS, layout.SCALARS):
    safe_files.plain(folder / name, safe_files.LONGEST)
  kept = ends[-1].get('files', {}) if ends else {}
  now = layout.row_hashes(folder) if kept else {}
  for name, known in kept.items():
    if now.get(name) != known:
      yield f'{name} was changed after the trial ended.'


def _changed(
  events: list[dict[str, Any]], folder: pathlib.Path
) -> Iterator[str]:
  """Check that all attempts of a trial ran under the same settings."""
  attempts = sorted({event['attempt'] for event in events})
  paths = [folder / f'meta_data_{number}.json' for number in attempts]
  found = [
    storage.read_json(safe_files.plain(path)) for path in paths if path.exists()
  ]
  known = [one['environment'] for one in found if 'environment' in one]
  for name, values in different(known).items():
    yield f'Attempts ran with different {name}: {", ".join(values)}.'


def different(found: list[dict[str, Any]]) -> dict[str, list[str]]:
  """Return settings that differ between the tables, and their values."""
  values = {
    name: sorted({repr(one[name]) if name in one else 'unset' for one in found})
    for name in sorted({name for one in found for name in one})
  }
  return {name: known for name, known in values.items() if len(known) > 1}
