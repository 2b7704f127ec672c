"""Run thirty tiny trials on a cluster that loses a node.

fleet_slurm and fleet_ray use this module with a real cluster on this machine.
"""

import collections
import contextlib
import datetime
import itertools
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from runner.protocol import layout, results_folder, storage
from tests.support import races

TRIALS = 30
LIMIT = 1500.0  # Timeout of the race in seconds.
LOSE_AT = 8  # Number of finished trials when the node is lost.


class Attempt(NamedTuple):
  """Place and time of one attempt."""

  slot: str
  start: datetime.datetime
  stop: datetime.datetime
  trial: str
  outcome: str


def race(
  home: pathlib.Path,
  engine: str,
  slot: Callable[[dict], str],
  lose: Callable[[str], None],
  **options,
) -> None:
  """Run a race, kill a node on the way, and print and check the result.

  Args:
    home: An empty folder.
    engine: The executor's name.
    slot: Returns the slot (a place for one trial at a time) of a `start` event.
    lose: Kills the node of a slot.
    **options: More flags of the runner.
  """
  out = home / 'out'
  mine = races.mine(home, 'mine', steps=40, step='time.sleep(0.1)')
  toml = races.suite(home, evaluations=600)  # One evaluation per second.
  flags = dict(
    suite=toml, submissions=mine, studies=TRIALS, out=out, engine=engine
  )
  words = races.command(
    home, 'run', '--nopreflight', **flags, pause=2, **options
  )
  began = time.monotonic()
  with (home / 'run.log').open('w') as log:
    runner = subprocess.Popen(words, cwd=races.ROOT, stdout=log, stderr=log)
    victim, lost_at = '', ''
    while runner.poll() is None:
      if time.monotonic() - began > LIMIT:
        runner.terminate()
        raise SystemExit(f'The race takes over {LIMIT} s. Read {home}/run.log.')
      if not victim and (victim := _victim(out, slot)):
        lost_at = layout.now()
        lose(victim)
      time.sleep(0.5)
  seconds = time.monotonic() - began
  print((home / 'run.log').read_text())
  report(out, slot, victim, lost_at)
  print(f'Exit code {runner.returncode}; {seconds:.0f} s in all.')


def report(
  out: pathlib.Path, slot: Callable[[dict], str], victim: str, lost_at: str
) -> None:
  """Print and check the records of all attempts.

  Args:
    out: The results folder.
    slot: Returns the slot of a `start` event.
    victim: The slot whose node was killed.
    lost_at: Time of the kill.
  """
  table = results_folder.stored(out)
  assert table
  folders = [trial.folder(out) for trial in table.trials]
  states = collections.Counter(layout.status(f).outcome for f in folders)
  attempts = [
    one for folder in folders for one in _attempts(folder, slot, lost_at)
  ]
  lost = [one for one in attempts if one.outcome == 'preempted']
  by_slot = collections.Counter(one.slot for one in attempts)
  overlaps = [
    (a, b)
    for key in ('slot', 'trial')
    for a, b in _neighbours(attempts, key)
    if b.start < a.stop
  ]
  print(f'Trials: {dict(states)}. Attempts by slot: {dict(by_slot)}.')
  for one in lost:
    later = [x.start for x in attempts if x.trial == one.trial and x != one]
    again = min(later)
    waited = (again - one.stop).total_seconds()
    print(f'{one.trial} was lost with {one.slot}; again after {waited:.0f} s.')
  print(f'{len(attempts)} attempts, {len(overlaps)} overlaps.')
  assert states == {'ended': TRIALS}, states
  assert not overlaps, overlaps
  assert {one.slot for one in lost} == {victim}, lost


def _attempts(
  folder: pathlib.Path, slot: Callable[[dict], str], lost_at: str
) -> Iterator[Attempt]:
  events = list(storage.read_lines(folder / layout.ATTEMPTS))
  starts = {e['attempt']: e for e in events if e['event'] == 'start'}
  for number, start in starts.items():
    own = [e for e in events if e['attempt'] == number]
    *_, end = [e for e in own if e['event'] == 'end']
    # The end of a lost attempt is written only when the loss is noticed.
    preempted = end['outcome'] == 'preempted'
    stop = lost_at if preempted else own[-1]['time']
    yield Attempt(
      slot(start),
      _time(start['time']),
      _time(stop),
      str(folder.parent.parent.name),
      end['outcome'],
    )


def _neighbours(attempts: list[Attempt], key: str):
  groups = collections.defaultdict(list)
  for one in sorted(attempts, key=lambda one: one.start):
    groups[getattr(one, key)].append(one)
  for group in groups.values():
    yield from itertools.pairwise(group)


def _time(text: str) -> datetime.datetime:
  return datetime.datetime.strptime(text, '%Y-%m-%dT%H:%M:%SZ')


def _victim(out: pathlib.Path, slot: Callable[[dict], str]) -> str:
  """Return the slot of a running trial with an evaluation; '' if too early."""
  folders = list(out.glob('mine/study_*/digits_jax/trial_1'))
  statuses = {folder: layout.status(folder) for folder in folders}
  if sum(status.done for status in statuses.values()) < LOSE_AT:
    return ''
  for folder, status in statuses.items():
    rows = storage.read_rows(folder / layout.EVALS)
    if status.attempts and status.outcome is None and len(rows) > 1:
      return slot({'host': status.host, 'job': status.job})
  return ''


def kill(pids: list[int], how: signal.Signals = signal.SIGKILL) -> None:
  """Send a signal to processes; ignore processes that have ended."""
  for pid in pids:
    with contextlib.suppress(ProcessLookupError):
      os.kill(pid, how)


def with_variable(name: str, ending: str) -> list[int]:
  """Return processes whose environment variable `name` ends with `ending`."""
  start, end = f'{name}='.encode(), ending.encode()
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/environ'):
    with contextlib.suppress(OSError):
      words = path.read_bytes().split(b'\0')
      if any(w.startswith(start) and w.endswith(end) for w in words):
        found.append(int(path.parent.name))
  return found
