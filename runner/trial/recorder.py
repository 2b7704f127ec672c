"""What the process of a trial writes down, and finds when it resumes.

Training waits for the copy of its state on the host, and not for the disk: a
thread writes the checkpoint and then the rows, one evaluation at a time.
"""

import dataclasses
import os
import pathlib
import traceback
from collections.abc import Callable, Sequence
from concurrent import futures

import jax

from runner.machine import hardware
from runner.protocol import columns, layout, storage
from runner.trial import checkpoint, csv_rows, memory as footprint, state_tree
from runner.trial.clock import Clock
from runner.trial.compile_time import Compiled
from runner.trial.feed import Feed
from runner.trial.loop import Ending, Result
from runner.trial.monitor import Scalar
from workloads.workload import Model, PyTree


class Recorder:
  """Of one attempt at a trial.

  Attributes:
    attempt: How many there were before.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    clock: Clock,
    suspended: Callable[[], float] = lambda: 0.0,
    compiled: Compiled | None = None,
  ):
    """
    Args:
      folder: Of the trial.
      clock: Of the attempt.
      suspended: Seconds that the clock leaves out, as the process was stopped.
      compiled: What it has compiled, which grows.
    """
    self._folder = folder
    self._clock = clock
    self._suspended = suspended
    self._compiled = compiled or Compiled()
    self._thread = futures.ThreadPoolExecutor(1)
    self._writing: futures.Future | None = None
    self._rows: dict[str, list[dict]] = {layout.EVALS: [], layout.SCALARS: []}
    self._step = 0
    self._optimizer_bytes = self._device_bytes = 0
    self._warned = False
    self.attempt = layout.status(folder).attempts
    machine = hardware.describe(jax.process_count())
    where = layout.whereabouts() | {'hardware': machine.name}
    layout.event(folder, 'start', self.attempt, pid=os.getpid(), **where)

  def restore(self) -> checkpoint.Checkpoint | None:
    """The last checkpoint; files hold the rows that it knows from now on.

    Without one the trial starts over. Rows that it does not know are of a
    training that goes no further: they are put aside.
    """
    found = checkpoint.load(self._folder / layout.CHECKPOINT, self._damaged)
    if found is not None:
      self._step = found.facts['steps']
      self._rows = found.facts['rows']
    for name, rows in self._rows.items():
      path = self._folder / name
      storage.set_rows(path, rows, columns.names(name, rows), self.attempt)
    return found

  def start_over(self, reason: str) -> None:
    """Forgets what `restore` found, as nothing can go on from it.

    The checkpoints and the rows that they know are put aside.
    """
    print(f'The trial starts over: {reason}.', flush=True)
    layout.event(self._folder, layout.OVER_AGAIN, self.attempt, reason=reason)
    for path in checkpoint.paths(self._folder / layout.CHECKPOINT):
      storage.put_aside(path, self.attempt)
    self._step = 0
    self._rows = {name: [] for name in self._rows}
    for name in self._rows:
      path = self._folder / name
      storage.set_rows(path, [], columns.names(name, []), self.attempt)

  def results(self) -> list[Result]:
    """The evaluations so far."""
    return [
      Result(
        row[columns.STEP],
        row[columns.SCORE],
        {name: value for name, value in row.items() if '/' in name},
      )
      for row in self._rows[layout.EVALS]
    ]

  def record(
    self,
    result: Result,
    state: PyTree,
    feed: Feed,
    scalars: list[Scalar],
    model: Model,
    lost: str = '',
  ) -> None:
    """Of an evaluation: a checkpoint, and then the rows.

    The checkpoint is first and knows the rows, so that a process killed in
    between neither loses nor doubles them. What the state has beside a model
    like this one is the optimizer's. Where something of the state would be
    lost there is no checkpoint, and a trial that is interrupted starts over.
    """
    found = footprint.beside(model, state)
    self._optimizer_bytes, self._device_bytes = found
    row = csv_rows.evaluation(result, self._clock.accounts(), self.attempt)
    self._write([row], scalars, state, feed, lost)

  def keep(self, step: int, model: Model) -> None:
    """Keep the arrays of the model that has reached the target.

    A fresh process evaluates them again after the trial.
    """
    self.settle()
    with self._clock.account('checkpoint'):
      arrays = checkpoint.snapshot(model)
      path = self._folder / layout.REACHED
      checkpoint.write(path, arrays, {'step': step})

  def save(
    self, state: PyTree, feed: Feed, scalars: list[Scalar], lost: str
  ) -> None:
    """A checkpoint between evaluations."""
    self._write([], scalars, state, feed, lost)
    self.settle()

  def settle(self) -> None:
    """Waits until all is on the disk.

    Raises:
      StorageError: the disk does not take it.
    """
    writing, self._writing = self._writing, None
    if writing is not None:
      with self._clock.account('checkpoint'):
        writing.result()

  def _write(self, evals, scalars, state, feed: Feed, lost: str) -> None:
    self.settle()
    fresh = self._keep(evals, scalars)
    self._step = feed.steps
    with self._clock.account('checkpoint'):
      if lost:
        self._warn(lost)
        self._writing = self._thread.submit(self._append, fresh)
        return
      arrays = checkpoint.snapshot(state)
      facts = {
        'tree': state_tree.described(state),
        'steps': feed.steps,
        'examples': feed.examples,
        'accounts': self._clock.accounts(),
        'load': self._clock.machine_load()._asdict(),
        'rows': {name: rows[:] for name, rows in self._rows.items()},
      }

      def write() -> None:
        folder = self._folder / layout.CHECKPOINT
        checkpoint.save(folder, facts['steps'], arrays, facts)
        self._append(fresh)

      self._writing = self._thread.submit(write)

  def _keep(self, evals, scalars) -> dict[str, list[dict]]:
    fresh = {
      layout.EVALS: evals,
      layout.SCALARS: [csv_rows.scalars(scalar) for scalar in scalars],
    }
    for name, rows in fresh.items():
      self._rows[name].extend(rows)
    return fresh

  def _append(self, fresh: dict[str, list[dict]]) -> None:
    for name, rows in fresh.items():
      if rows:
        names = columns.names(name, self._rows[name])
        storage.append_rows(self._folder / name, rows, names)

  def _damaged(self, path: pathlib.Path) -> None:
    """It is kept under another name, for whoever wants to know."""
    print(f'{path} is damaged; the one before is used.', flush=True)
    layout.event(self._folder, 'damaged', self.attempt, file=path.name)
    storage.put_aside(path, self.attempt)

  def _warn(self, lost: str) -> None:
    if not self._warned:
      self._warned = True
      print(
        f'This trial cannot be resumed: {lost}. Checkpoints hold data and code '
        'that does not change. Interrupted, the trial starts over, or goes on '
        'from a checkpoint that was made before.',
        flush=True,
      )

  def failure(self, error: Exception) -> Ending:
    """The outcome of whatever a submission raised; keeps the traceback."""
    path = self._folder / f'traceback_{self.attempt}.txt'
    told = traceback.format_exc().encode(errors='backslashreplace')
    storage.write(path, told)
    text = str(error)
    first = text.strip().partition('\n')[0][:300]
    reason = f'{type(error).__name__}: {first} (see {path.name})'
    if isinstance(error, OSError) and error.errno in storage.OF_DISK:
      return Ending('preempted', reason)  # Whoever met it first.
    memory = isinstance(error, MemoryError) or 'RESOURCE_EXHAUSTED' in text
    return Ending('oom' if memory else 'crashed', reason)

  def end(
    self,
    ending: Ending,
    step: int = 0,
    scalars: Sequence[Scalar] = (),
    padding: float | None = None,
    profiled: int = 0,
  ) -> None:
    """Says how the attempt ended; its last seconds are on 'record'."""
    self.settle()
    with self._clock.account('record'):
      self._append(self._keep([], scalars))
    layout.event(
      self._folder,
      'end',
      self.attempt,
      outcome=ending.outcome,
      reason=ending.reason,
      step=max(step, self._step),
      seconds=self._clock.charged(),
      accounts=self._clock.accounts(),
      own_seconds=self._clock.own_seconds(),
      suspended_seconds=self._suspended(),
      load=self._clock.machine_load()._asdict(),
      load_average=os.getloadavg(),
      compiled=dataclasses.asdict(self._compiled),
      peak_memory_bytes=footprint.peak(),
      optimizer_bytes=self._optimizer_bytes,
      optimizer_bytes_per_device=self._device_bytes,
      padding=padding,
      profiled_steps=profiled,
      again=ending.outcome == 'preempted',
      files=layout.row_hashes(self._folder),
    )


class NullRecorder:
  """Of a host that keeps none, and takes part in what all must."""

  def restore(self) -> checkpoint.Checkpoint | None:
    """Not asked: the first host is."""

  def start_over(self, reason: str) -> None:
    """Nothing of a host that keeps nothing."""

  def results(self) -> list[Result]:
    return []

  def record(
    self,
    result: Result,
    state: PyTree,
    feed: Feed,
    scalars: list[Scalar],
    model: Model,
    lost: str = '',
  ) -> None:
    self.save(state, feed, scalars, lost)

  def keep(self, step: int, model: Model) -> None:
    checkpoint.snapshot(model)

  def save(
    self, state: PyTree, feed: Feed, scalars: list[Scalar], lost: str
  ) -> None:
    if not lost:
      checkpoint.snapshot(state)

  def end(
    self,
    ending: Ending,
    step: int = 0,
    scalars: Sequence[Scalar] = (),
    padding: float | None = None,
    profiled: int = 0,
  ) -> None:
    pass
