"""Kills trials at random instants, and compares them with one left alone.

Instants are of three kinds: anywhere in the life of the process; while it
trains; and while a checkpoint is being written.
"""

import contextlib
import os
import pathlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from runner.executors import race
from runner.launch.attempt import TrialOptions
from runner.protocol import layout, plan, storage
from runner.protocol.trial_file import StepLimits
from runner.trial import checkpoint

KINDS = ('anywhere', 'training', 'writing')
CARE = race.RetryPolicy(attempts=1)
FREE_TO_DIFFER = ('accumulated_', 'score', 'total_duration', 'preemption_count')


class Trace(NamedTuple):
  """What must not depend on kills, and what they cost."""

  outcome: str | None
  digest: str  # Of the last state.
  rows: list[dict[str, str]]  # Evaluations, without seconds.
  curve: list[tuple[str, ...]]
  seconds: list[float]  # Charged, of each evaluation.
  training: float  # Charged, without compilation.


def trace(folder: pathlib.Path) -> Trace:
  """Of a trial that is over."""
  last = checkpoint.load(folder / 'checkpoint')
  status = layout.status(folder)
  rows = storage.read_rows(folder / layout.EVALS)
  return Trace(
    status.outcome,
    checkpoint.digest(last.arrays) if last else '',
    [
      {n: x for n, x in row.items() if not n.startswith(FREE_TO_DIFFER)}
      for row in rows
    ],
    [
      tuple(x for n, x in sorted(row.items()) if not n.startswith('accum'))
      for row in storage.read_rows(folder / layout.SCALARS)
    ],
    [float(row['score']) for row in rows],
    sum(status.accounts[name] for name in ('data', 'train', 'view')),
  )


def difference(left: Trace, killed: Trace) -> str:
  """What kills have changed that they must not; empty if nothing."""
  for name in ('outcome', 'digest', 'rows', 'curve'):
    if getattr(left, name) != getattr(killed, name):
      return f'{name}: {getattr(left, name)} and {getattr(killed, name)}'
  if killed.seconds != sorted(set(killed.seconds)):
    return f'Seconds do not grow: {killed.seconds}'
  return ''


def alone(out: pathlib.Path, made: plan.Plan, limits: StepLimits) -> Trace:
  """Of the plan's one trial, left alone."""
  race.run(out, made, TrialOptions(), limits=lambda spec: limits, retry=CARE)
  return trace(made.trials[0].folder(out))


def killed(
  out: pathlib.Path,
  made: plan.Plan,
  limits: StepLimits,
  kinds: Iterator[str],
  left: Trace,
  longest: float,
  luck: random.Random,
) -> tuple[Trace, int, int]:
  """Of the plan's one trial, killed until it gets through.

  Args:
    out: An empty results folder.
    made: A plan of one trial.
    limits: Where it stops.
    kinds: Of the instants; when there are no more the trial is left alone.
    left: What came out when it was left alone.
    longest: Seconds that this took.
    luck: Decides on instants.

  Returns:
    What came out; how often it was killed; and how often of these a part of a
    checkpoint was left behind.
  """
  [trial] = made.trials
  folder, times, writing = trial.folder(out), 0, 0
  while True:
    kind = next(kinds, '')
    with _killer(folder, kind, left.training, longest, luck):
      race.run(
        out, made, TrialOptions(), limits=lambda spec: limits, retry=CARE
      )
    if layout.status(folder).outcome != 'preempted':
      return trace(folder), times, writing
    times += 1
    for partial in folder.glob('checkpoint/*.partial'):
      writing += 1
      partial.unlink()  # Else it would be counted again.


@contextlib.contextmanager
def _killer(
  folder: pathlib.Path,
  kind: str,
  training: float,
  longest: float,
  luck: random.Random,
) -> Iterator[None]:
  """While open, a thread is after the process of the trial."""
  over, parent = threading.Event(), threading.get_native_id()
  share, spared = luck.random(), luck.randrange(3)

  def hunt() -> None:
    if kind == 'anywhere':
      over.wait(share * longest)
    elif kind == 'training':
      before = _rows(folder)
      _until(over, lambda: _rows(folder) > before)
      over.wait(share * training)
    elif kind == 'writing':
      for _ in range(spared):
        _until(over, lambda: _partial(folder))
        _until(over, lambda: not _partial(folder))
      _until(over, lambda: _partial(folder))
    if kind:
      _kill_children(parent)

  thread = threading.Thread(target=hunt)
  thread.start()
  try:
    yield
  finally:
    over.set()
    thread.join()


def _until(over: threading.Event, holds: Callable[[], bool]) -> None:
  while not over.is_set() and not holds():
    time.sleep(0.0002)


def _rows(folder: pathlib.Path) -> int:
  try:
    return (folder / layout.EVALS).stat().st_size
  except FileNotFoundError:
    return 0


def _partial(folder: pathlib.Path) -> bool:
  try:
    names = os.listdir(folder / 'checkpoint')
  except FileNotFoundError:
    return False
  return any(name.endswith('.partial') for name in names)


def _kill_children(thread: int) -> None:
  """Those that the thread has started."""
  path = pathlib.Path(f'/proc/{os.getpid()}/task/{thread}/children')
  for child in path.read_text().split():
    with contextlib.suppress(ProcessLookupError):
      os.kill(int(child), signal.SIGKILL)
