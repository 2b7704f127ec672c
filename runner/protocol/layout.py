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
      plugins/profile/                  a trace of some steps, if one was asked
      .lock                             held by the processes that run it
      trial_host_<k>.log                what it printed on further hosts
    <out>/.compiled/<machine>/<submission>/
                                        programs that its trials have compiled
    <out>/.jobs.json                    as which job an engine has each trial

A resumed trial's rows are those that its checkpoint knows. What a file held
beside them is put aside, as <name>_before_<p>, and never lost. Nothing goes on
from an invalid attempt: the next one starts over. The standard library only:
scoring reads this without JAX.
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

from runner.protocol import schema, storage

# The first speak of the algorithm; one is beaten that could not change its
# study's score any more. The others leave the cell open.
SCORED = ('reached', 'budget', 'diverged', 'ended', 'beaten')
OPEN = ('oom', 'crashed', 'preempted', 'invalid')

EVALS = 'eval_measurements.csv'
SCALARS = 'measurements.csv'
ATTEMPTS = 'attempts.jsonl'
TRIAL = 'trial.json'
PLAN = 'plan.json'
CHECKPOINT = 'checkpoint'

OVER_AGAIN = 'over again'  # A state could not be restored.
EVENTS = ('start', 'end', 'exit', 'damaged', OVER_AGAIN)

MOST = 10**9  # Studies or trials.
RESIDUAL = 0.01  # Of the wall time, on no account: above, a trial is invalid.
EXIT_SECONDS = 0.1  # But telling of the end may take so long.
# Largest share of the processor time a trial wanted that others may have had.
# Times to the target of one cell's studies differ by about as much.
HELD_UP = 0.1

# In the environment of a trial that an engine has sent to a machine.
HOST = 'TIMETRIAL_HOST'  # As the engine calls it.
JOB = 'TIMETRIAL_JOB'


def folder(
  out, submission: str, workload: str, study: int, trial: int
) -> pathlib.Path:
  """Studies count from 0 and trials from 1, as AlgoPerf's do.

  Raises:
    RecordsError: a name or number is none that a folder can have.
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
        f'No folder of results can be called {part[:99]!r}.'
      )
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


def is_time(value: Any) -> bool:
  """Whether it is a number of seconds: not below 0, infinite or NaN."""
  if isinstance(value, bool) or not isinstance(value, int | float):
    return False
  # JSON has integers that no float can hold.
  return 0 <= value <= sys.float_info.max


def off_account(residual: float, wall: float) -> bool:
  """Whether too many seconds of a process are on no account of its clock.

  Args:
    residual: Those seconds; below 0 where accounts have more than there was.
    wall: Seconds from its start to its end, as its parent measured them.
  """
  return abs(residual) > max(RESIDUAL * wall, EXIT_SECONDS)


def held_up(load: Mapping[str, float]) -> float:
  """Share of the processor time that a trial wanted and others had.

  A trial that wants a processor and gets none waits. As far as others had the
  processors meanwhile, and not its own threads, it is later by their doing.
  Without them it would have taken (1 - share) of its time. Where the system
  does not tell, the share is 0.

  Args:
    load: Seconds, as runner.machine.load has them.
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
    outcome: Outcome; None where the trial has not begun, runs or was
      interrupted.
    reason: Reason of the outcome.
    attempts: Number of attempts.
    seconds: Charged seconds so far.
    accounts: Seconds by account of the clock.
    retryable: Whether the machine failed, and another attempt may succeed.
    since: Start of the last attempt, in UTC; '' before the first.
    host: Host of the last attempt; '' where it is not recorded.
    job: Job of the last attempt, if an executor has one.
    last: Number of the last attempt; -1 before the first.
    kinds: Kinds of machines that attempts report.
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

  @property
  def done(self) -> bool:
    """Whether the trial has an outcome that scores."""
    return self.outcome in SCORED


def status(path: pathlib.Path) -> Status:
  """Return the status of the trial in a folder.

  Raises:
    RecordsError: the attempts are damaged.
  """
  try:
    return _status(list(storage.read_lines(path / ATTEMPTS)))
  except (KeyError, TypeError, IndexError, AttributeError) as error:
    raise storage.RecordsError(
      f'{path / ATTEMPTS} is damaged: {type(error).__name__} {error}.'
    ) from error


def _status(events: list[dict[str, Any]]) -> Status:
  starts = [e for e in events if e['event'] == 'start']
  ends = [e for e in events if e['event'] == 'end']
  if not starts and not ends:
    return Status()
  start = starts[-1]
  begun = Status(
    attempts=len(starts),
    since=str(start.get('time', '')),
    host=str(start.get('host') or ''),
    job=str(start.get('job') or ''),
    last=start['attempt'],
    kinds=frozenset(str(e['hardware']) for e in starts if 'hardware' in e),
  )
  if not ends:
    return begun
  end = ends[-1]
  over = end['attempt'] == start['attempt']
  return dataclasses.replace(
    begun,
    outcome=end['outcome'] if over else None,
    reason=end['reason'] if over else '',
    seconds=end['seconds'],
    accounts=end['accounts'],
    retryable=over and bool(end.get('again')),
  )


def event(folder: pathlib.Path, kind: str, attempt: int, **facts) -> None:
  """Append an event to the attempts of a trial.

  Args:
    folder: The trial's folder.
    kind: One of EVENTS; other kinds count as damage when they are read.
    attempt: Number of the attempt, from 0.
    **facts: Further fields of the event.
  """
  assert kind in EVENTS, kind
  line = {'event': kind, 'attempt': attempt, 'time': now()} | facts
  storage.append_line(folder / ATTEMPTS, line)


def now() -> str:
  return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())


def whereabouts() -> dict[str, str]:
  """For the start of an attempt: its host, and the job if an engine has it."""
  host = os.environ.get(HOST) or platform.node()
  job = os.environ.get(JOB)
  return {'host': host} | ({'job': job} if job else {})


def row_hashes(folder: pathlib.Path) -> dict[str, str]:
  """SHA-256 of each file of rows that a trial has, by name."""
  return {
    name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
    for name in (EVALS, SCALARS)
    if (folder / name).exists()
  }
