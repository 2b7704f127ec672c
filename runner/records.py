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
    <out>/.compiled/<machine>/          programs that its trials have compiled
    <out>/.jobs.json                    as which job an engine has each trial

A resumed trial's rows are those that its checkpoint knows. What a file held
beside them is put aside, as <name>_before_<p>, and never lost. Nothing goes on
from an invalid attempt: the next one starts over. The standard
library only: scoring reads this without JAX.
"""

import hashlib
import json
import os
import pathlib
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from runner import storage
from submissions.algoperf import folders

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

# In the environment of a trial that an engine has sent to a machine.
HOST = 'TIMETRIAL_HOST'  # As the engine calls it.
JOB = 'TIMETRIAL_JOB'

PARTS = {  # Of a plan: those that are used, and of which kind they must be.
  'suite': str,
  'ruleset': str,
  'rules': dict,
  'hardware': dict,
  'also': list,
  'seconds': dict,
  'sources': dict,
  'hash': str,
  'trials': list,
}
PLANNED = {  # Of a trial in it.
  'submission': str,
  'workload': str,
  'study': int,
  'trial': int,
  'seed': int,
  'hyperparameters': dict,
  'id': str,
}


def folder(
  out, submission: str, workload: str, study: int, trial: int
) -> pathlib.Path:
  """Studies count from 0 and trials from 1, as AlgoPerf's do."""
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


def check_plan(plan: Any) -> None:
  """Every part of a stored plan that is used is there and of its kind.

  Raises:
    LookupError, TypeError, ValueError: one is not.
  """
  for name in ('suite', 'rules', 'seconds', 'trials'):
    plan[name]  # A LookupError where it is lacking.
  for name, kind in PARTS.items():
    if name in plan and not isinstance(plan[name], kind):
      raise TypeError(f'{name} is not a {kind.__name__}')
  kinds(plan)  # A TypeError where a machine is no table.
  places = set()
  for entry in plan['trials']:
    for name, kind in PLANNED.items():
      value = entry[name]
      if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f'{name} = {value!r} in a trial')
    key = (entry['submission'], entry['workload'])
    place = folder('', *key, entry['study'], entry['trial'])
    if place in places:
      raise ValueError(f'{place} is planned twice')
    places.add(place)
  for seconds in plan['seconds'].values():
    if not is_time(seconds) or not seconds:
      raise ValueError(f'a budget of {seconds!r} seconds')


def is_time(value: Any) -> bool:
  """Whether it is a number of seconds: not below 0, infinite or NaN."""
  if isinstance(value, bool) or not isinstance(value, int | float):
    return False
  # JSON has integers that no float can hold.
  return 0 <= value <= sys.float_info.max


def kinds(plan: Mapping[str, Any]) -> set[str]:
  """Names of the kinds of hardware that a plan's trials may run on."""
  machines = [plan.get('hardware', {}), *plan.get('also', ())]
  return {str(machine['name']) for machine in machines if 'name' in machine}


def _digest(value: Any) -> str:
  text = json.dumps(value, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


class Status(NamedTuple):
  """Where a trial stands."""

  outcome: str | None  # None: not started, running or interrupted.
  reason: str
  attempts: int
  seconds: float  # Charged so far.
  accounts: dict[str, float]
  again: bool = False  # Whether the machine is to blame, and not the trial.
  start: dict[str, Any] | None = None  # Event of the last attempt.
  kinds: frozenset[str] = frozenset()  # Of hardware that attempts say they had.

  @property
  def done(self) -> bool:
    return self.outcome in SCORED


def status(path: pathlib.Path) -> Status:
  """The status of the trial in a folder, from its attempts.

  Raises:
    RecordsError: the attempts are damaged.
  """
  try:
    return _status(list(storage.read_lines(path / ATTEMPTS)))
  except (KeyError, TypeError, IndexError) as error:
    raise storage.RecordsError(
      f'{path / ATTEMPTS} is damaged: {type(error).__name__} {error}.'
    ) from error


def _status(events: list[dict[str, Any]]) -> Status:
  starts = [e for e in events if e['event'] == 'start']
  ends = [e for e in events if e['event'] == 'end']
  start = starts[-1] if starts else None
  kinds = frozenset(str(e['hardware']) for e in starts if 'hardware' in e)
  if not ends:
    return Status(None, '', len(starts), 0.0, {}, start=start, kinds=kinds)
  last = ends[-1]
  over = last['attempt'] == starts[-1]['attempt']
  return Status(
    last['outcome'] if over else None,
    last['reason'] if over else '',
    len(starts),
    last['seconds'],
    last['accounts'],
    over and bool(last.get('again')),
    start,
    kinds,
  )


def event(folder: pathlib.Path, kind: str, attempt: int, **facts) -> None:
  """Appends to the attempts of a trial: its 'start', 'end' or 'exit'."""
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
