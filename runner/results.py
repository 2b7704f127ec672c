"""Opens a results folder for a plan: fresh, or the one that was made for it."""

import contextlib
import fcntl
import math
import os
import pathlib
import shutil
import time
from collections.abc import Iterator
from typing import IO, Any

from runner import plan as plans, records, storage, stored_plan
from submissions.algoperf import folders

ALIKE = 1.3  # Times as fast: no more than what a busy machine loses.
LOCK = '.lock'  # Of a results folder, and of every trial's.
POLL = 0.2  # Seconds from one try to lock to the next.
HELP = 'Use another --out, or remove the folder if nothing in it is needed.'


class ResultsError(ValueError):
  """The folder cannot take these results; the message says why."""


@contextlib.contextmanager
def opened(out: pathlib.Path, plan: plans.Plan) -> Iterator[dict[str, Any]]:
  """The table of plan.json in force: the stored one with the new trials added.

  Budgets are those of the first run into the folder: a board has one clock.

  Raises:
    ResultsError: not a folder of ours, not writable, in use, or made under
      other rules, on another machine or from another source.
  """
  known = stored(out)
  _make(out)
  with (out / LOCK).open('w') as lock:
    if not _locked(lock, fcntl.LOCK_EX):
      raise ResultsError(f'Another runner is writing to {out}.')
    table = plans.table(plan)
    if known is not None:
      _check_unchanged(known, out)
      _check_same(known, table, out, plan.mixed)
      table = _merged(known, table)
    if table != known:
      storage.write_json(out / records.PLAN, table)
    yield table


def stored(out: pathlib.Path) -> dict[str, Any] | None:
  """The table of plan.json; None for a folder that is empty or not there.

  Raises:
    ResultsError: there is something else.
  """
  # pathlib's own exists raises where a name is too long.
  if os.path.lexists(out) and not os.path.isdir(out):
    raise ResultsError(f'{out} is a file, not a folder. {HELP}')
  if not os.path.isdir(out) or set(os.listdir(out)) <= {LOCK}:
    return None
  if not (out / records.PLAN).exists():
    raise ResultsError(
      f'{out} is not empty and has no {records.PLAN}: it is not a results '
      f'folder of ours. {HELP}'
    )
  try:
    plan = storage.read_json(out / records.PLAN)
    stored_plan.check(plan)
  except (ValueError, LookupError, TypeError) as error:
    raise ResultsError(
      f'{out / records.PLAN} is damaged: {type(error).__name__} {error}.'
    ) from error
  return plan


def in_use(folder: pathlib.Path) -> bool:
  """Whether a process holds it: a trial's folder, or that of all results."""
  try:
    with (folder / LOCK).open() as lock:
      return not _locked(lock, fcntl.LOCK_SH)
  except FileNotFoundError:
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
  with storage.storing(folder / LOCK):
    lock = (folder / LOCK).open('a')  # For writing: else NFS does not lock.
  with lock:
    deadline = time.monotonic() + patience
    while not (mine := _locked(lock, fcntl.LOCK_EX)):
      if time.monotonic() >= deadline:
        break
      time.sleep(POLL)
    yield lock.fileno() if mine else None


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
  if (folder / records.TRIAL).exists():
    return folder
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
    'hashes': stored_plan.common_hashes(table),
    'data_dir': table.get('data_dir'),
    'shard_state': table.get('shard_state', False),
  }
  storage.write_json(folder / records.TRIAL, facts)
  return folder


def place(out: pathlib.Path, trial: dict) -> pathlib.Path:
  return records.folder(
    out, trial['submission'], trial['workload'], trial['study'], trial['trial']
  )


def _copy(source: pathlib.Path, folder: pathlib.Path, name: str) -> None:
  """The submission's own source, as it is: `name`.py, or a folder `name`."""
  if not source.is_dir():
    shutil.copyfile(source, folder / f'{name}.py')
    return
  for path in folders.files(source):
    target = folder / name / path.relative_to(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _make(out: pathlib.Path) -> None:
  try:
    out.mkdir(parents=True, exist_ok=True)
    probe = out / LOCK
    probe.touch()
  except OSError as error:
    raise ResultsError(
      f'Cannot write to {out}: {error.strerror}. Use another --out.'
    ) from error


def _check_unchanged(known: dict, out: pathlib.Path) -> None:
  if changes := stored_plan.changes(known):
    raise ResultsError(
      f'{out / records.PLAN}: {" ".join(changes)} Trials that ran and trials '
      f'that would run now are no longer under the same rules. Restore the '
      f'file. {HELP}'
    )


def _check_same(
  known: dict, table: dict, out: pathlib.Path, mixed: bool
) -> None:
  for key in ('suite', 'ruleset', 'rules'):
    if known[key] != table[key]:
      raise ResultsError(
        f'{out} was made under other {key}: '
        f'{_difference(known[key], table[key])}. {HELP}'
      )
  kinds, name = stored_plan.kinds(known), table['hardware']['name']
  if name not in kinds and not mixed:
    raise ResultsError(
      f'{out} was made on {", ".join(sorted(kinds))}; this is for {name}, and '
      f'seconds do not compare. {HELP} To put them together all the same: '
      '--mix_hardware'
    )
  faster = _faster(known['seconds'], table['seconds'])
  same = name == known['hardware']['name']
  if same and not mixed and not 1 / ALIKE < faster < ALIKE:
    raise ResultsError(
      f'{out} was made on a machine of this name ({name}) for which the '
      f'reference algorithm takes {faster:.2f} times as long as for this one, '
      'and seconds do not compare. If this one was busy when it was measured, '
      f'measure again: python -m runner calibrate. If not: {HELP} To put them '
      'together all the same: --mix_hardware'
    )
  for name, source in table['sources'].items():
    before = known['sources'].get(name, source)
    if before['sha256'] != source['sha256']:
      raise ResultsError(
        f'{source["path"]} has changed since trials of {name!r} were planned '
        f'in {out}. Rename it, or use another --out.'
      )


def _faster(known: dict[str, float], here: dict[str, float]) -> float:
  """Known budgets to those of this machine, a geometric mean."""
  both = [math.log(known[name] / here[name]) for name in known.keys() & here]
  return math.exp(sum(both) / len(both)) if both else 1.0


def _difference(a, b, path: str = '') -> str:
  """The first place where two tables differ."""
  if isinstance(a, dict) and isinstance(b, dict):
    for key in sorted(a.keys() | b.keys()):
      if a.get(key) != b.get(key):
        return _difference(a.get(key), b.get(key), f'{path}.{key}'.strip('.'))
  return f'{path} {a!r} there, {b!r} here'.strip()


def _merged(known: dict, table: dict) -> dict:
  ids = {trial['id'] for trial in known['trials']}
  fresh = [trial for trial in table['trials'] if trial['id'] not in ids]
  also = known.get('also', [])
  if table['hardware']['name'] not in stored_plan.kinds(known):
    also = [*also, table['hardware']]
  merged = known | {
    **({'also': also} if also else {}),
    'seconds': table['seconds'] | known['seconds'],
    'sources': known['sources'] | table['sources'],
    'trials': known['trials'] + fresh,
  }
  return stored_plan.sealed(merged)
