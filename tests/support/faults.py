"""Kill trials at random instants, and compare with an undisturbed trial.

There are three kinds of instants: anywhere in the life of the process, while
the process trains, and while the process writes a checkpoint.
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
  """Results of a trial that kills must not change, and its seconds."""

  outcome: str | None
  digest: str  # Digest of the last state.
  rows: list[dict[str, str]]  # Evaluations, without seconds.
  curve: list[tuple[str, ...]]  # Scalars of every step, without seconds.
  seconds: list[float]  # Charged seconds at each evaluation.
  training: float  # Charged seconds, without compilation.


def trace(folder: pathlib.Path) -> Trace:
  """Return the trace of a trial that has ended."""
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
  """Return what kills have changed; '' if nothing."""
  for name in ('outcome', 'digest', 'rows', 'curve'):
    if getattr(left, name) != getattr(killed, name):
      return f'{name}: {getattr(left, name)} and {getattr(killed, name)}'
  if killed.seconds != sorted(set(killed.seconds)):
    return f'Charged seconds do not grow: {killed.seconds}'
  return ''


def alone(out: pathlib.Path, made: plan.Plan, limits: StepLimits) -> Trace:
  """Run the plan's only trial without kills.

  Args:
    out: An empty results folder.
    made: A plan of one trial.
    limits: The steps where the trial stops.
  """
  race.run(out, made, TrialOptions(), limits=lambda *_: limits, retry=CARE)
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
  """Run the plan's only trial, and kill it until it ends by itself.

  Args:
    out: An empty results folder.
    made: A plan of one trial.
    limits: The steps where the trial stops.
    kinds: Kinds of instants, one per kill; afterwards there are no kills.
    left: The trace of the trial without kills.
    longest: Seconds that the trial without kills took.
    luck: Random generator of the instants.

  Returns:
    The trace, the number of kills, and the number of partial checkpoints that
    kills left behind.
  """
  [trial] = made.trials
  folder, times, writing = trial.folder(out), 0, 0
  while True:
    kind = next(kinds, '')
    with _killer(folder, kind, left.training, longest, luck):
      race.run(out, made, TrialOptions(), limits=lambda *_: limits, retry=CARE)
    if layout.status(folder).outcome != 'preempted':
      return trace(folder), times, writing
    times += 1
    for partial in folder.glob('checkpoint/*.partial'):
      writing += 1
      partial.unlink()  # Not to be counted again.


@contextlib.contextmanager
def _killer(
  folder: pathlib.Path,
  kind: str,
  training: float,
  longest: float,
  luck: random.Random,
) -> Iterator[None]:
  """Let a thread kill the trial's process at one instant."""
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
  """Kill all processes that the thread has started."""
  path = pathlib.Path(f'/proc/{os.getpid()}/task/{thread}/children')
  for child in path.read_text().split():
    with contextlib.suppress(ProcessLookupError):
      os.kill(int(child), signal.SIGKILL)
