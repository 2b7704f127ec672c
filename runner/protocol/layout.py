"""Results on disk, in AlgoPerf's layout and with its column names.

    <out>/plan.json                     the trials to run, and their suite
    <out>/<submission>/study_<i>/<workload>_jax/trial_<j>/
      trial.json                        definition of this trial
      hparams.json                      its hyperparameters, in AlgoPerf's form
      schedule.json                     the learning rates that it intends
      eval_measurements.csv             a row per evaluation
      measurements.csv                  a row per recorded training step
      attempts.jsonl                    start, end and exit of every attempt
      meta_data_<p>.json                machine and versions of attempt p
      <submission>.py                   the submission's source; a folder if the
                                        submission is a folder
      checkpoint/                       the last states, to resume from
      reached.checkpoint                the model that reached the target, which
                                        a fresh process evaluates again
      trial.log, traceback_<p>.txt      printed text, and why attempt p failed
      plugins/profile/                  trace of some steps, with --profile
      .lock                             held by the processes of the trial
      trial_host_<k>.log                printed text of remote host k
    <out>/.compiled/<machine>/<submission>/
                                        programs that its trials have compiled
    <out>/ledger.jsonl                  hashes of all records, in a chain
    <out>/.jobs.json                    the executor's job of each trial
    <out>/.preflight.json               ids of the trials that preflight tested

A resumed trial keeps the rows of its checkpoint. Files with other rows are put
aside as <name>_before_<p>, so no row is lost. An attempt after an invalid
attempt starts at step 0. This module imports only the standard library: scoring
reads it without JAX.
"""

import dataclasses
import hashlib
import os
import pathlib
import platform
import sys
import time
from collections.abc import Mapping
from typing import Any

from runner.protocol import storage
from runner.protocol.records import events
from runner.protocol.records.events import End, Event, Hopeless, Start
from runner.protocol.suites import schema

# SCORED outcomes are results of the algorithm. A trial is 'beaten' if it could
# not change any score any more, and 'hopeless' if its forecast chance to reach
# its target was too small. OPEN outcomes leave the cell open.
SCORED = ('reached', 'budget', 'diverged', 'ended', 'beaten', 'hopeless')
OPEN = ('oom', 'crashed', 'preempted', 'invalid')

EVALS = 'eval_measurements.csv'
SCALARS = 'measurements.csv'
ATTEMPTS = 'attempts.jsonl'
TRIAL = 'trial.json'
HPARAMS = 'hparams.json'
SCHEDULE = 'schedule.json'
PLAN = 'plan.json'
CHECKPOINT = 'checkpoint'
REACHED = 'reached.checkpoint'
TRACEBACK = 'traceback_'  # Beginning of the names of files.

MOST = 10**9  # Limit of the numbers of studies and of trials.
RESIDUAL = 0.01  # Largest share of the wall time on no account of the clock.
EXIT_SECONDS = 0.1  # Allowance for leaving, if longer than RESIDUAL.
# Largest share of a trial's wanted processor time that others may have used.
# Times to the target differ by about as much between studies of one cell.
HELD_UP = 0.1

# Environment variables of a trial that an executor has sent to a machine.
HOST = 'TIMETRIAL_HOST'  # Name of the host in the executor's terms.
JOB = 'TIMETRIAL_JOB'


def folder(
  out, submission: str, workload: str, study: int, trial: int
) -> pathlib.Path:
  """Return the folder of a trial.

  Args:
    out: The results folder.
    submission: Name of the submission.
    workload: Name of the workload.
    study: Number of the study, from 0 as in AlgoPerf.
    trial: Number of the trial, from 1 as in AlgoPerf.

  Raises:
    RecordsError: a folder cannot have such a name or number.
  """
  for number in (study, trial):
    if not 0 <= number < MOST:
      raise storage.RecordsError(
        f'No folder of results can have the number {schema.shown(number)}: '
        f'studies and trials count from 0 and 1 to less than {MOST}.'
      )
  name = workload.replace('/', '_') + '_jax'
  for part in (submission, name):
    if not _names_folder(part):
      raise storage.RecordsError(
        f'No folder of results can be called {part[:99]!r}: the name must be '
        'one part of a path, of 1 to 255 bytes. Use another name.'
      )
  return (
    pathlib.Path(out) / submission / f'study_{study}' / name / f'trial_{trial}'
  )


def _names_folder(name: str) -> bool:
  """Test whether `name` is one part of a path, and neither '.' nor '..'."""
  try:
    size = len(os.fsencode(name))
  except UnicodeEncodeError:
    return False
  return 0 < size < 256 and name not in ('.', '..') and not {*'/\0'} & {*name}


def source(folder: pathlib.Path, submission: str) -> pathlib.Path:
  """Return the path of the submission's source in a trial's folder."""
  whole = folder / submission
  return whole if whole.is_dir() else folder / f'{submission}.py'


def is_time(value: Any) -> bool:
  """Test whether `value` is a finite number of seconds, 0 or more."""
  if isinstance(value, bool) or not isinstance(value, int | float):
    return False
  # JSON has integers that no float can hold.
  return 0 <= value <= sys.float_info.max


def off_account(residual: float, wall: float) -> bool:
  """Test whether too many seconds of a process are on no account of its clock.

  Args:
    residual: Seconds on no account; negative if the accounts have too many.
    wall: Seconds from start to end of the process, measured by its parent.
  """
  return abs(residual) > max(RESIDUAL * wall, EXIT_SECONDS)


def held_up(load: Mapping[str, float]) -> float:
  """Return the share of a trial's wanted processor time that others used.

  A trial waits while it wants a processor and gets none. The wait counts as far
  as other programs, not the trial's own threads, used the processors. Without
  them the trial would have taken (1 - share) of its time. The share is 0 if the
  system does not report load.

  Args:
    load: Seconds, as runner.machine.load returns them.
  """
  lost = min(load.get('waiting_seconds', 0.0), load.get('others_seconds', 0.0))
  wanted = max(
    load.get('charged_seconds', 0.0), load.get('processor_seconds', 0.0) + lost
  )
  return lost / wanted if wanted else 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Status:
  """Progress of a trial, from its attempts.

  Attributes:
    outcome: Outcome; None if the trial has not begun, runs or was
      interrupted.
    reason: Reason of the outcome.
    attempts: Number of attempts.
    seconds: Charged seconds so far.
    accounts: Seconds by account of the clock.
    retryable: Whether the machine failed, and another attempt may succeed.
    since: Start of the last attempt, in UTC; '' before the first.
    host: Host of the last attempt; '' if it is not recorded.
    job: Job of the last attempt, if an executor has one.
    last: Number of the last attempt; -1 before the first.
    kinds: Kinds of machines that attempts report.
    hopeless: Forecast that the trial would not reach its target, if there is
      one.
  """

  outcome: str | None = None
  reason: str = ''
  attempts: int = 0
  seconds: float = 0.0
  accounts: Mapping[str, float] = dataclasses.field(default_factory=dict)
  retryable: bool = False
  since: str = ''
  host: str = ''
  job: str = ''
  last: int = -1
  kinds: frozenset[str] = frozenset()
  hopeless: Hopeless | None = None

  @property
  def done(self) -> bool:
    """True if the trial has an outcome that scores."""
    return self.outcome in SCORED


def status(path: pathlib.Path) -> Status:
  """Return the status of the trial in a folder.

  Raises:
    RecordsError: the attempts are damaged.
  """
  try:
    return _status(attempts(path))
  except storage.RecordsError:
    raise
  except (LookupError, TypeError, ValueError, AttributeError) as error:
    raise storage.RecordsError(
      f'{path / ATTEMPTS} is damaged: {type(error).__name__} {error}.'
    ) from error


def attempts(path: pathlib.Path) -> list[Event]:
  """Return the events of the trial in a folder, in their order.

  Raises:
    RecordsError: a line is not JSON.
    LookupError, TypeError, AttributeError: a line is no event.
  """
  return [events.parse(line) for line in storage.read_lines(path / ATTEMPTS)]


def _status(found: list[Event]) -> Status:
  starts, ends = events.of(Start, found), events.of(End, found)
  if not starts and not ends:
    return Status()
  start = starts[-1]
  begun = Status(
    attempts=len(starts),
    since=start.time,
    host=start.host,
    job=start.job,
    last=start.attempt,
    kinds=frozenset(e.hardware for e in starts if e.hardware is not None),
    hopeless=_hopeless(found),
  )
  if not ends:
    return begun
  end = ends[-1]
  over = end.attempt == start.attempt
  return dataclasses.replace(
    begun,
    outcome=end.outcome if over else None,
    reason=end.reason if over else '',
    seconds=end.seconds,
    accounts=end.accounts,
    retryable=over and end.again,
  )


def _hopeless(found: list[Event]) -> Hopeless | None:
  """Return the first forecast since the trial last started over."""
  ends = events.of(End, found)
  void = [end.attempt for end in ends if end.outcome == 'invalid']
  said = [
    one
    for one in events.of(Hopeless, found)
    if one.attempt > max(void, default=-1)
  ]
  return said[0] if said else None


def event(folder: pathlib.Path, kind: str, attempt: int, **facts) -> None:
  """Append an event to the attempts of a trial.

  Args:
    folder: The trial's folder.
    kind: One of events.KINDS; other kinds count as damage when they are read.
    attempt: Number of the attempt, from 0.
    **facts: Further fields of the event.
  """
  assert kind in events.KINDS, kind
  line = {'event': kind, 'attempt': attempt, 'time': now()} | facts
  storage.append_line(folder / ATTEMPTS, line)


def now() -> str:
  """Return the present time in UTC, such as '2026-01-31T12:00:00Z'."""
  return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())


def whereabouts() -> dict[str, str]:
  """Return the host of this attempt, and its job if an executor runs it."""
  host = os.environ.get(HOST) or platform.node()
  job = os.environ.get(JOB)
  return {'host': host} | ({'job': job} if job else {})


def row_hashes(folder: pathlib.Path) -> dict[str, str]:
  """Return the SHA-256 of each CSV file that a trial has, by name."""
  return {
    name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
    for name in (EVALS, SCALARS)
    if (folder / name).exists()
  }
