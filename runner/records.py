"""Results on disk, in AlgoPerf's layout and with its column names.

    <out>/plan.json                     what is to be run, and under which rules
    <out>/<submission>/study_<i>/<workload>_jax/trial_<j>/
      trial.json                        what this trial is
      hparams.json                      its hyperparameters, in AlgoPerf's form
      eval_measurements.csv             a row per evaluation
      measurements.csv                  a row per recorded training step
      attempts.jsonl                    start, end and exit of every process
      meta_data_<p>.json                machine and versions of attempt p
      <submission>.py                   the submission's own source; a folder
                                        where it was one
      checkpoint/                       the last states, to resume from
      trial.log, traceback_<p>.txt      what it printed, why it failed

A resumed trial's rows are those that its checkpoint knows. What a file held
beside them is put aside, as <name>_before_<p>, and never lost. The standard
library only: scoring reads this without JAX.
"""

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import pathlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from submissions.algoperf import folders

# The first four speak of the algorithm. The others leave the cell open.
SCORED = ('reached', 'budget', 'diverged', 'ended')
OPEN = ('oom', 'crashed', 'preempted', 'invalid')

EVALS = 'eval_measurements.csv'
SCALARS = 'measurements.csv'
ATTEMPTS = 'attempts.jsonl'
TRIAL = 'trial.json'
PLAN = 'plan.json'


def folder(
  out, submission: str, workload: str, study: int, trial: int
) -> pathlib.Path:
  """Studies count from 0 and trials from 1, as AlgoPerf's do."""
  name = workload.replace('/', '_') + '_jax'
  for part in (submission, name):
    if not _names_folder(part):
      raise RecordsError(f'No folder of results can be called {part[:99]!r}.')
  return (
    pathlib.Path(out) / submission / f'study_{study}' / name / f'trial_{trial}'
  )


def _names_folder(name: str) -> bool:
  """Whether it is one part of a path, and no way out of the folder."""
  try:
    size = len(os.fsencode(name))
  except UnicodeEncodeError:
    return False
  return 0 < size < 256 and name not in ('.', '..') and not {*'/\0'} & {*name}


def source(folder: pathlib.Path, submission: str) -> pathlib.Path:
  """The submission's own source in the folder of a trial."""
  whole = folder / submission
  return whole if whole.is_dir() else folder / f'{submission}.py'


def source_hash(path: pathlib.Path) -> str:
  """Of a submission's source, as plans know it."""
  return folders.sha256(path)


def seed(suite: int, workload: str, study: int, trial: int) -> int:
  """The seed of a trial: that of no other, but for other submissions'."""
  return int(_digest([suite, workload, study, trial]), 16) % 2**31


def identity(
  trial: Mapping[str, Any], sha256: str, row: Mapping[str, Any]
) -> str:
  """Twelve digits that change with anything a trial depends on.

  Args:
    trial: With its fields of plan.json; an id is not looked at.
    sha256: Of the submission's source.
    row: The workload in the rules.
  """
  facts = [trial['submission'], sha256, [trial['workload'], row]]
  facts += [trial[n] for n in ('study', 'trial', 'seed', 'hyperparameters')]
  return _digest(facts)[:12]


def plan_hash(ids: Iterable[str]) -> str:
  return _digest(sorted(ids))


def _digest(value: Any) -> str:
  text = json.dumps(value, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


class RecordsError(ValueError):
  """A record is not what was written; the message names the file."""


class StorageError(RuntimeError):
  """The disk does not take a record; the message names the file."""


# What an OSError says of the disk, and not of who wanted to write.
OF_DISK = frozenset(
  {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
)


class Status(NamedTuple):
  """Where a trial stands."""

  outcome: str | None  # None: not started, running or interrupted.
  reason: str
  attempts: int
  seconds: float  # Charged so far.
  accounts: dict[str, float]
  again: bool = False  # Whether the machine is to blame, and not the trial.

  @property
  def done(self) -> bool:
    return self.outcome in SCORED


def status(path: pathlib.Path) -> Status:
  """The status of the trial in a folder, from its attempts.

  Raises:
    RecordsError: the attempts are damaged.
  """
  try:
    return _status(list(read_lines(path / ATTEMPTS)))
  except (KeyError, TypeError, IndexError) as error:
    raise RecordsError(
      f'{path / ATTEMPTS} is damaged: {type(error).__name__} {error}.'
    ) from error


def _status(events: list[dict[str, Any]]) -> Status:
  starts = [e for e in events if e['event'] == 'start']
  ends = [e for e in events if e['event'] == 'end']
  if not ends:
    return Status(None, '', len(starts), 0.0, {})
  last = ends[-1]
  over = last['attempt'] == starts[-1]['attempt']
  return Status(
    last['outcome'] if over else None,
    last['reason'] if over else '',
    len(starts),
    last['seconds'],
    last['accounts'],
    over and bool(last.get('again')),
  )


@contextlib.contextmanager
def storing(path: pathlib.Path) -> Iterator[None]:
  """Whatever the system refuses in the block is a StorageError."""
  try:
    yield
  except OSError as error:
    raise StorageError(
      f'Cannot write {path}: {error.strerror}. Make room or give back the '
      'folder; then the same command goes on from here.'
    ) from error


def write_json(path: pathlib.Path, value: Any) -> None:
  """Replaces a file in one step: a reader sees the old or the new one."""
  write(path, json.dumps(value, indent=2).encode())


def write(path: pathlib.Path, *parts: bytes) -> None:
  """As write_json, of any content.

  Raises:
    StorageError: the disk does not take it; the old file is as it was.
  """
  partial = path.with_name(path.name + '.partial')
  with storing(path):
    try:
      with partial.open('wb') as file:
        file.writelines(parts)
        _flush(file)
      partial.replace(path)
      _flush_folder(path.parent)
    except OSError:
      with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)  # On a full disk it is in the way.
      raise


def put_aside(path: pathlib.Path, attempt: int) -> None:
  """Renames a file, if it is there, to say that it is of before an attempt."""
  if path.exists():
    with storing(path):
      path.rename(path.with_name(f'{path.stem}_before_{attempt}{path.suffix}'))


def event(folder: pathlib.Path, kind: str, attempt: int, **facts) -> None:
  """Appends to the attempts of a trial: its 'start', 'end' or 'exit'."""
  now = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
  line = {'event': kind, 'attempt': attempt, 'time': now} | facts
  append_line(folder / ATTEMPTS, line)


def read_json(path: pathlib.Path) -> Any:
  try:
    return json.loads(path.read_text())
  except RecursionError as error:
    raise RecordsError(f'{path} is nested too deeply.') from error


def append_line(path: pathlib.Path, value: Mapping[str, Any]) -> None:
  """Appends a line of JSON, in the place of one that was cut short."""
  line = json.dumps(value) + '\n'
  with storing(path):
    _drop_partial_line(path)
    with path.open('a') as file:
      file.write(line)
      _flush(file)


def read_lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  """Complete lines of JSON; a line cut short by a crash is left out."""
  if not path.exists():
    return
  lines = path.read_text(errors='replace').splitlines(keepends=True)
  for number, line in enumerate(lines, start=1):
    if line.endswith('\n'):
      try:
        yield json.loads(line)
      except (ValueError, RecursionError) as error:
        raise RecordsError(
          f'{path} is damaged: line {number} is not JSON ({error}).'
        ) from error


def append_rows(
  path: pathlib.Path, rows: Iterable[Mapping[str, Any]], columns: Iterable[str]
) -> None:
  """Appends rows to a CSV file, in the place of one that was cut short.

  What a row lacks of the columns stays empty; what it has beside is left out.
  """
  with storing(path):
    _drop_partial_line(path)
    with path.open('a', newline='') as file:
      file.write(_csv(rows, columns, header=not file.tell()))
      _flush(file)


def set_rows(
  path: pathlib.Path,
  rows: Sequence[Mapping[str, Any]],
  columns: Iterable[str],
  attempt: int,
) -> None:
  """Makes a CSV file hold these rows; others that it held are put aside."""
  data = _csv(rows, columns, header=True).encode() if rows else b''
  before = path.read_bytes() if path.exists() else b''
  if not data.startswith(before[: before.rfind(b'\n') + 1]):
    put_aside(path, attempt)
  if rows:
    write(path, data)


def row_hashes(folder: pathlib.Path) -> dict[str, str]:
  """SHA-256 of each file of rows that a trial has, by name."""
  return {
    name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
    for name in (EVALS, SCALARS)
    if (folder / name).exists()
  }


def _csv(rows, columns, header: bool) -> str:
  text = io.StringIO()
  writer = csv.DictWriter(
    text, sorted(columns), extrasaction='ignore', lineterminator='\n'
  )
  if header:
    writer.writeheader()
  writer.writerows(rows)
  return text.getvalue()


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
  """Complete rows of a CSV file, as text."""
  if not path.exists():
    return []
  with path.open(newline='') as file:
    return list(csv.DictReader(line for line in file if line.endswith('\n')))


def _drop_partial_line(path: pathlib.Path) -> None:
  """Cuts off what a killed process left of its last line."""
  if not path.exists():
    return
  data = path.read_bytes()
  whole = data.rfind(b'\n') + 1
  if whole < len(data):
    os.truncate(path, whole)


def _flush(file) -> None:
  file.flush()
  os.fsync(file.fileno())


def _flush_folder(path: pathlib.Path) -> None:
  """So that a name outlives a loss of power, as what it names does."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
