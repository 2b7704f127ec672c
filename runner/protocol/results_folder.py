"""Opens a results folder for a plan: fresh, or the one that was made for it."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import time
from collections.abc import Iterator
from typing import IO, Any

from runner.protocol import (
  layout,
  merge_plans,
  plan as plans,
  plan_file,
  storage,
)
from runner.protocol.merge_plans import HELP, ResultsError
from submissions.algoperf import folders

LOCK = '.lock'  # Of a results folder, and of every trial's.
DAMAGED = 'damaged'  # Outcome of a trial whose records tell none.
POLL = 0.2  # Seconds from one try to lock to the next.


@contextlib.contextmanager
def opened(out: pathlib.Path, plan: plans.Plan) -> Iterator[dict[str, Any]]:
  """The table of plan.json in force: the stored one with the new trials added.

  Budgets are those of the first run into the folder: a board has one clock.

  Raises:
    ResultsError: not a folder of ours, not writable, in use, or made under
      other rules, on another machine or from another source.
  """
  make(out)
  with locked(out):
    before, table = stored(out), plans.table(plan)
    if before is not None:
      _check_unchanged(before, out)
      known = _replaced(before, table, out)
      merge_plans.check(known, table, out, plan.mixed, plan.grows)
      table = merge_plans.merged(known, table)
    if table != before:
      storage.write_json(out / layout.PLAN, table)
    yield table


@contextlib.contextmanager
def locked(out: pathlib.Path) -> Iterator[None]:
  """Keeps other runners from writing to a results folder."""
  clear(out / LOCK)
  with (out / LOCK).open('w', encoding='utf-8') as lock:
    if not _locked(lock, fcntl.LOCK_EX):
      raise ResultsError(f'Another runner is writing to {out}.')
    yield


def stored(out: pathlib.Path) -> dict[str, Any] | None:
  """The table of plan.json; None for a folder that is empty or not there.

  Raises:
    ResultsError: there is something else.
  """
  # pathlib's own exists raises where a name is too long.
  if os.path.lexists(out) and not os.path.isdir(out):
    raise ResultsError(f'{out} is a file, not a folder. {HELP}')
  try:
    if not os.path.isdir(out) or set(os.listdir(out)) <= {LOCK}:
      return None
  except OSError as error:
    raise ResultsError(
      f'{out} cannot be read: {error.strerror}. {HELP}'
    ) from error
  if not (out / layout.PLAN).exists():
    raise ResultsError(
      f'{out} is not empty and has no {layout.PLAN}: it is not a results '
      f'folder of ours. {HELP}'
    )
  try:
    plan = storage.read_json(out / layout.PLAN)
    plan_file.check(plan)
  except (ValueError, LookupError, TypeError) as error:
    what = f'{type(error).__name__} {error}'.rstrip('.')
    raise ResultsError(f'{out / layout.PLAN} is damaged: {what}.') from error
  return plan


def status(folder: pathlib.Path) -> layout.Status:
  """Status of a trial; the outcome is 'damaged' if its records are.

  Nothing is run in such a folder and nothing changed, and others are raced.
  """
  path = folder / layout.ATTEMPTS
  try:
    if path.exists() and not path.is_file():
      raise storage.RecordsError(f'{path} is no file.')
    return layout.status(folder)
  except (storage.RecordsError, OSError) as error:
    reason = (
      f'{error} Nothing in {folder} is touched: repair it, or move it away to '
      'run the trial anew.'
    )
    return layout.Status(DAMAGED, reason, 1, 0.0, {})


def in_use(folder: pathlib.Path) -> bool:
  """Whether a process holds it: a trial's folder, or that of all results."""
  if not (folder / LOCK).is_file():
    return False
  try:
    with (folder / LOCK).open(encoding='utf-8') as lock:
      return not _locked(lock, fcntl.LOCK_SH)
  except FileNotFoundError:  # Just now.
    return False


@contextlib.contextmanager
def held(folder: pathlib.Path, patience: float = 0.0) -> Iterator[int | None]:
  """Holds the folder of a trial while open: the descriptor of its lock.

  None where another process holds it, on whichever machine. Who inherits the
  descriptor holds the trial as well.

  Args:
    folder: Of the trial.
    patience: Seconds to wait for another process.
  """
  clear(folder / LOCK)
  with storage.storing(folder / LOCK):
    lock = (folder / LOCK).open(
      'a', encoding='utf-8'
    )  # For writing: else NFS does not lock.
  with lock:
    deadline = time.monotonic() + patience
    while not (mine := _locked(lock, fcntl.LOCK_EX)):
      if time.monotonic() >= deadline:
        break
      time.sleep(POLL)
    yield lock.fileno() if mine else None


def clear(path: pathlib.Path) -> None:
  """Puts aside what is no file, and stands where one is to be opened.

  A trial may have left a pipe there, which would be waited for.
  """
  if path.exists() and not path.is_file():
    number = 1
    while (aside := path.with_name(f'{path.name}_aside_{number}')).exists():
      number += 1
    with storage.storing(path):
      path.rename(aside)


def _locked(lock: IO[str], kind: int) -> bool:
  """Whether it is ours now; raises ResultsError where nothing can be locked."""
  try:
    fcntl.flock(lock, kind | fcntl.LOCK_NB)
  except BlockingIOError:
    return False
  except OSError as error:
    raise ResultsError(
      f'{lock.name} cannot be locked: {error.strerror}. Results need a file '
      'system with locks; on Lustre, mount it with -o flock.'
    ) from error
  return True


def prepare(
  out: pathlib.Path, table: dict[str, Any], trial: dict
) -> pathlib.Path:
  """The folder of a trial, with all that its process needs.

  Raises:
    StorageError: the disk does not take it.
  """
  folder = place(out, trial)
  if _is_whole(folder / layout.TRIAL):
    return folder
  storage.put_aside(folder / layout.TRIAL, status(folder).attempts)
  name = trial['submission']
  with storage.storing(folder):
    folder.mkdir(parents=True, exist_ok=True)
    _copy(pathlib.Path(table['sources'][name]['path']), folder, name)
  storage.write_json(folder / 'hparams.json', trial['hyperparameters'])
  workload = trial['workload']
  row = table['rules']['workloads'][workload]
  seconds = table['seconds'][workload]
  factor = table['rules']['rulesets'][table['ruleset']]['budget_factor']
  period = row.get('eval_seconds') or seconds / factor / row['evaluations']
  facts = trial | {
    'suite': table['suite'],
    'ruleset': table['ruleset'],
    'row': row,
    'budget': {'seconds': seconds, 'eval_seconds': period}
    | table.get('limits', {}),
    'budget_seconds': seconds,
    'sha256': table['sources'][name]['sha256'],
    'plan': table['hash'],
    'hashes': plan_file.common_hashes(table),
    'data_dir': table.get('data_dir'),
    'shard_state': table.get('shard_state', False),
  }
  storage.write_json(folder / layout.TRIAL, facts)
  return folder


def _is_whole(path: pathlib.Path) -> bool:
  """Test whether a trial.json is whole: trials can damage it."""
  try:
    return path.is_file() and bool(storage.read_json(path)['budget']['seconds'])
  except (OSError, ValueError, LookupError, TypeError):
    return False


def place(out: pathlib.Path, trial: dict) -> pathlib.Path:
  return layout.folder(
    out, trial['submission'], trial['workload'], trial['study'], trial['trial']
  )


def _copy(source: pathlib.Path, folder: pathlib.Path, name: str) -> None:
  """The submission's own source, as it is: `name`.py, or a folder `name`."""
  if folders.is_alone(source):
    shutil.copyfile(source, folder / f'{name}.py')
    return
  for place, path in folders.parts(source).items():
    target = folder / name / place
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def make(out: pathlib.Path) -> None:
  """Make a results folder if it is not there.

  Raises:
    ResultsError: it is not a folder of ours, which stays as it is, or nothing
      can be written there.
  """
  stored(out)
  try:
    out.mkdir(parents=True, exist_ok=True)
    probe = out / LOCK
    probe.touch()
  except OSError as error:
    raise ResultsError(
      f'Cannot write to {out}: {error.strerror}. Use another --out.'
    ) from error


def _replaced(known: dict, table: dict, out: pathlib.Path) -> dict:
  """Without submissions that were edited before any of their trials ran."""
  edited = {
    name
    for name, source in table['sources'].items()
    if known['sources'].get(name, source)['sha256'] != source['sha256']
  }
  places = {
    name: [
      place(out, trial)
      for trial in known['trials']
      if trial['submission'] == name
    ]
    for name in edited
  }
  fresh = {name for name in edited if not any(map(has_run, places[name]))}
  for name in fresh:
    for folder in places[name]:  # What is prepared is of the old source.
      shutil.rmtree(folder, ignore_errors=True)
  return merge_plans.without(known, fresh)


def has_run(folder: pathlib.Path) -> bool:
  """Test whether the folder of a trial holds more than its preparation."""
  left = (layout.ATTEMPTS, layout.EVALS, layout.SCALARS, layout.CHECKPOINT)
  return any((folder / name).exists() for name in left) or in_use(folder)


def _check_unchanged(known: dict, out: pathlib.Path) -> None:
  if changes := plan_file.changes(known):
    raise ResultsError(
      f'{out / layout.PLAN}: {" ".join(changes)} Trials that ran and trials '
      f'that would run now are no longer under the same rules. Restore the '
      f'file. {HELP}'
    )
