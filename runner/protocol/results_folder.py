"""Opening a results folder for a plan: a new folder, or the plan's own."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import time
from collections.abc import Collection, Iterator
from typing import IO

from runner.protocol import (
  layout,
  merge_plans,
  plan_file,
  storage,
)
from runner.protocol.merge_plans import HELP, ResultsError
from runner.protocol.plan import Plan
from runner.protocol.suites.schema import SuiteError

LOCK = '.lock'  # Name of the lock of a results folder and of a trial's folder.
DAMAGED = 'damaged'  # Outcome of a trial whose records cannot be read.
POLL = 0.2  # Seconds between two attempts to lock.


@contextlib.contextmanager
def opened(
  out: pathlib.Path, plan: Plan, *, mixed: bool = False, grows: bool = False
) -> Iterator[Plan]:
  """Hold a results folder; yield its plan with the new trials added.

  Budgets are those of the first run into the folder: a board has one clock.

  Args:
    out: The results folder.
    plan: The plan to add.
    mixed: Whether trials of different kinds of machines may be together.
    grows: Whether the plan may add studies.

  Raises:
    ResultsError: the folder is not a results folder, not writable, in use, or
      made under another suite, on another machine or from another source.
  """
  make(out)
  with locked(out):
    before = stored(out)
    if before is not None:
      _check_unchanged(before, out)
      known = _replaced(before, plan, out)
      merge_plans.check(known, plan, out, mixed=mixed, grows=grows)
      plan = merge_plans.merged(known, plan)
    if plan != before:
      write(out, plan)
    yield plan


def write(out: pathlib.Path, plan: Plan) -> None:
  """Write the plan of a results folder."""
  storage.write_json(out / layout.PLAN, plan_file.dump(plan))


@contextlib.contextmanager
def locked(out: pathlib.Path) -> Iterator[None]:
  """Keep other runners from writing to a results folder."""
  clear(out / LOCK)
  with (out / LOCK).open('w', encoding='utf-8') as lock:
    if not _locked(lock, fcntl.LOCK_EX):
      raise ResultsError(
        f'Another runner is writing to {out}. Wait for it, or use another '
        '--out.'
      )
    yield


def stored(out: pathlib.Path) -> Plan | None:
  """Return the plan of a results folder; None if it is empty or missing.

  Raises:
    ResultsError: the path is something else, or its plan is damaged.
  """
  # pathlib's exists raises if a name is too long.
  if os.path.lexists(out) and not os.path.isdir(out):
    raise ResultsError(f'{out} is a file, not a folder. {HELP}')
  path = out / layout.PLAN
  try:
    if not os.path.isdir(out) or set(os.listdir(out)) <= {LOCK}:
      return None
  except OSError as error:
    raise ResultsError(
      f'{out} cannot be read: {error.strerror}. {HELP}'
    ) from error
  if not path.exists():
    raise ResultsError(
      f'{out} is not empty and has no {layout.PLAN}: it is not a results '
      f'folder of TimeTrial. {HELP}'
    )
  try:
    return plan_file.parse(storage.read_json(path), str(path))
  except SuiteError as error:
    raise ResultsError(f'{path} is damaged: {error}') from error
  except (ValueError, LookupError, TypeError, AttributeError) as error:
    raise ResultsError(
      f'{path} is damaged: {type(error).__name__} {error}.'
    ) from error


def planned(out: pathlib.Path) -> Plan:
  """Return the plan of a results folder that must have one.

  Raises:
    ResultsError: there are no results, or the plan is damaged.
  """
  plan = stored(out)
  if plan is None:
    raise ResultsError(
      f'No results in {out}. Give the folder of a race with --out=FOLDER, or '
      f'make one: timetrial run --out={out} ...'
    )
  return plan


def status(folder: pathlib.Path) -> layout.Status:
  """Return the status of a trial; the outcome is 'damaged' if its records are.

  A damaged trial does not run and its folder does not change; other trials run.
  """
  path = folder / layout.ATTEMPTS
  try:
    if path.exists() and not path.is_file():
      raise storage.RecordsError(f'{path} is not a regular file.')
    return layout.status(folder)
  except (storage.RecordsError, OSError) as error:
    reason = (
      f'{error} Nothing in {folder} is changed: repair it, or move it away to '
      'run the trial again.'
    )
    return layout.Status(outcome=DAMAGED, reason=reason, attempts=1)


def in_use(folder: pathlib.Path) -> bool:
  """Test whether a process holds a results folder or a trial's folder."""
  if not (folder / LOCK).is_file():
    return False
  try:
    with (folder / LOCK).open(encoding='utf-8') as lock:
      return not _locked(lock, fcntl.LOCK_SH)
  except FileNotFoundError:  # The folder was deleted just now.
    return False


@contextlib.contextmanager
def held(folder: pathlib.Path, patience: float = 0.0) -> Iterator[int | None]:
  """Lock the folder of a trial; yield the lock's descriptor.

  Yields None if another process, on any machine, holds the folder. A child
  process that inherits the descriptor holds the trial as well.

  Args:
    folder: Folder of the trial.
    patience: Seconds to wait for another process.
  """
  clear(folder / LOCK)
  with storage.storing(folder / LOCK):
    # NFS locks only files that are open for writing.
    lock = (folder / LOCK).open('a', encoding='utf-8')
  with lock:
    deadline = time.monotonic() + patience
    while not (mine := _locked(lock, fcntl.LOCK_EX)):
      if time.monotonic() >= deadline:
        break
      time.sleep(POLL)
    yield lock.fileno() if mine else None


def clear(path: pathlib.Path) -> None:
  """Rename whatever is at `path` and is not a regular file.

  A trial may have left a pipe there, and opening a pipe would block.
  """
  if path.exists() and not path.is_file():
    put_aside(path)


def put_aside(path: pathlib.Path) -> None:
  """Rename a file or a folder to a name beside it that is free."""
  number = 1
  while (aside := path.with_name(f'{path.name}_aside_{number}')).exists():
    number += 1
  with storage.storing(path):
    path.rename(aside)


def _locked(lock: IO[str], kind: int) -> bool:
  """Try to lock a file; return whether this process holds the lock now.

  Raises:
    ResultsError: the file system has no locks.
  """
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


def make(out: pathlib.Path) -> None:
  """Make a results folder if it is missing.

  Raises:
    ResultsError: `out` is not a results folder, or is not writable.
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


def _replaced(known: Plan, plan: Plan, out: pathlib.Path) -> Plan:
  """Return the stored plan without submissions edited before they ran."""
  edited = {
    name
    for name, source in plan.sources.items()
    if known.sources.get(name, source).sha256 != source.sha256
  }
  places = {
    name: [trial.folder(out) for trial in known.of(name)] for name in edited
  }
  fresh = {name for name in edited if not any(map(has_run, places[name]))}
  for name in fresh:
    for folder in places[name]:  # Prepared from the old source.
      shutil.rmtree(folder, ignore_errors=True)
  return merge_plans.without(known, fresh)


def withdraw(out: pathlib.Path, ids: Collection[str]) -> list[str]:
  """Take trials out of the plan that have not begun; return their ids.

  Args:
    out: The results folder.
    ids: Ids of trials that may be withdrawn.
  """
  with locked(out):
    plan = planned(out)
    places = {
      trial.id: trial.folder(out) for trial in plan.trials if trial.id in ids
    }
    idle = [id for id, folder in places.items() if not has_run(folder)]
    if idle:
      write(out, merge_plans.without_trials(plan, idle))
      for id in idle:
        shutil.rmtree(places[id], ignore_errors=True)
  return idle


def has_run(folder: pathlib.Path) -> bool:
  """Test whether the folder of a trial holds more than its preparation."""
  left = (layout.ATTEMPTS, layout.EVALS, layout.SCALARS, layout.CHECKPOINT)
  return any((folder / name).exists() for name in left) or in_use(folder)


def _check_unchanged(known: Plan, out: pathlib.Path) -> None:
  if changes := plan_file.changes(known):
    raise ResultsError(
      f'{out / layout.PLAN}: {" ".join(changes)} Trials that ran before and '
      f'trials that run now would not follow the same rules. Restore the '
      f'file. {HELP}'
    )
