"""Records of a trial's process: events, rows and checkpoints.

Training waits until its state is copied to the host, but not for the disk. A
thread writes the checkpoint and then the rows, one evaluation at a time.
"""

import dataclasses
import os
import pathlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

import jax

from runner.machine import hardware
from runner.protocol import layout, storage
from runner.protocol.records import checkpoints, events
from runner.protocol.records.checkpoints import Facts
from runner.protocol.timing import accounts
from runner.trial import checkpoint, csv_rows, memory as footprint, state_tree
from runner.trial.clock import Clock
from runner.trial.compile_time import Compiled
from runner.trial.csv_rows import Row, Rows
from runner.trial.feed import Feed
from runner.trial.loop import Ending, Result
from runner.trial.monitor import Scalar
from runner.trial.state_tree import Flat
from workloads.data import threads
from workloads.workload import Model


class Recorder:
  """Recorder of one attempt at a trial.

  Attributes:
    attempt: Number of earlier attempts.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    clock: Clock,
    suspended: Callable[[], float] = lambda: 0.0,
    compiled: Compiled | None = None,
  ):
    """Record the start of an attempt.

    Args:
      folder: Folder of the trial.
      clock: Clock of the attempt.
      suspended: Returns the seconds in which the process was stopped.
      compiled: Counts of compiled programs, kept up to date by the caller.
    """
    self._folder = folder
    self._clock = clock
    self._suspended = suspended
    self._compiled = compiled or Compiled()
    self._thread = threads.executor(1, 'record')
    self._writing: futures.Future | None = None
    self._step = 0
    self._optimizer_bytes = self._device_bytes = 0
    self._warned = False
    self.attempt = layout.status(folder).attempts
    self._rows = Rows(folder, self.attempt)
    machine = hardware.describe(jax.process_count())
    where = layout.whereabouts() | {'hardware': machine.name}
    layout.event(folder, events.START, self.attempt, pid=os.getpid(), **where)

  def restore(self) -> checkpoint.Checkpoint | None:
    """Return the last checkpoint, or None; put aside rows that it lacks."""
    found = checkpoint.load(self._folder / layout.CHECKPOINT, self._damaged)
    if found is not None:
      facts = checkpoints.parse(found.facts)
      self._step = facts.steps
      self._rows.replace(facts.rows)
    else:
      self._rows.replace({})
    return found

  def start_over(self, reason: str) -> None:
    """Put aside all checkpoints and rows, and start again at step 0."""
    print(f'The trial starts over: {reason}.', flush=True)
    layout.event(self._folder, events.OVER_AGAIN, self.attempt, reason=reason)
    for path in checkpoint.paths(self._folder / layout.CHECKPOINT):
      storage.put_aside(path, self.attempt)
    self._step = 0
    self._rows.replace({})

  def results(self) -> list[Result]:
    """Return the evaluations so far."""
    return self._rows.results()

  def record(
    self,
    result: Result,
    state: Flat,
    feed: Feed,
    scalars: list[Scalar],
    model: Model,
  ) -> None:
    """Write a checkpoint that contains an evaluation's rows, then the rows.

    Args:
      result: The evaluation.
      state: The evaluated state.
      feed: The training batches.
      scalars: Scalars recorded since the last evaluation.
      model: A model of the workload; the rest of the state is the optimizer's.
      lost: Part of the state that cannot be stored, or ''. With such a part
        there is no checkpoint, and an interrupted trial starts over.
    """
    found = footprint.beside(model, state.leaves)
    self._optimizer_bytes, self._device_bytes = found
    row = csv_rows.evaluation(result, self._clock.accounts(), self.attempt)
    self._write([row], scalars, state, feed)

  def keep(self, step: int, model: Model) -> None:
    """Keep the arrays of the model that has reached the target.

    A fresh process evaluates them again after the trial.
    """
    self.settle()
    with self._clock.account(accounts.CHECKPOINT):
      arrays = checkpoint.snapshot(state_tree.Flattener()(model).leaves)
      path = self._folder / layout.REACHED
      checkpoint.write(path, arrays, checkpoints.reached(step))

  def save(self, state: Flat, feed: Feed, scalars: list[Scalar]) -> None:
    """Write a checkpoint between evaluations, and wait for the disk.

    Args:
      state: The state.
      feed: The training batches.
      scalars: Scalars recorded since the last evaluation.
    """
    self._write([], scalars, state, feed)
    self.settle()

  def settle(self) -> None:
    """Wait until all records are on the disk.

    Raises:
      StorageError: the records cannot be written.
    """
    writing, self._writing = self._writing, None
    if writing is not None:
      with self._clock.account(accounts.CHECKPOINT):
        writing.result()

  def _write(
    self, evals: list[Row], scalars: list[Scalar], state: Flat, feed: Feed
  ) -> None:
    self.settle()
    fresh = self._rows.add(evals, scalars)
    self._step = feed.steps
    with self._clock.account(accounts.CHECKPOINT):
      if state.lost:
        self._warn(state.lost)
        self._writing = self._thread.submit(self._rows.append, fresh)
        return
      arrays = checkpoint.snapshot(state.leaves)
      facts = Facts(
        tree=state.said,
        steps=feed.steps,
        examples=feed.examples,
        accounts=self._clock.accounts(),
        load=self._clock.machine_load()._asdict(),
        rows=self._rows.copied(),
      )

      def write() -> None:
        folder = self._folder / layout.CHECKPOINT
        checkpoint.save(folder, facts.steps, arrays, facts.to_json())
        self._rows.append(fresh)

      self._writing = self._thread.submit(write)

  def _damaged(self, path: pathlib.Path) -> None:
    """Record a damaged checkpoint, and put it aside."""
    print(f'{path} is damaged; an older checkpoint is used.', flush=True)
    layout.event(self._folder, events.DAMAGED, self.attempt, file=path.name)
    storage.put_aside(path, self.attempt)

  def _warn(self, lost: str) -> None:
    if not self._warned:
      self._warned = True
      print(
        f'This trial cannot be resumed: {lost}. Checkpoints can hold only data '
        'and code that does not change. If the trial is interrupted, it starts '
        'over or resumes from an earlier checkpoint.',
        flush=True,
      )

  def failure(self, error: Exception) -> Ending:
    """Return the outcome of an exception; write its traceback to a file."""
    path = self._folder / f'{layout.TRACEBACK}{self.attempt}.txt'
    told = traceback.format_exc().encode(errors='backslashreplace')
    storage.write(path, told)
    text = str(error)
    first = text.strip().partition('\n')[0][:300]
    reason = f'{type(error).__name__}: {first} (see {path.name})'
    if isinstance(error, OSError) and error.errno in storage.OF_DISK:
      return Ending('preempted', reason)  # The disk failed, not the algorithm.
    memory = isinstance(error, MemoryError) or 'RESOURCE_EXHAUSTED' in text
    return Ending('oom' if memory else 'crashed', reason)

  def end(
    self,
    ending: Ending,
    step: int = 0,
    scalars: Sequence[Scalar] = (),
    *,
    padding: float | None = None,
    profiled: int = 0,
    costs: Mapping[str, Sequence[float]] | None = None,
    free: Mapping[str, Any] | None = None,
  ) -> None:
    """Record the end of the attempt; its last seconds are on 'record'.

    Args:
      ending: Outcome and reason.
      step: Number of steps.
      scalars: Scalars recorded since the last evaluation.
      padding: Share of padding in the training batches, if it is known.
      profiled: Number of traced steps.
      costs: Processor seconds of every evaluation, by split.
      free: Free seconds that were spent, granted and charged.
    """
    self.settle()
    with self._clock.account(accounts.RECORD):
      self._rows.append(self._rows.add([], scalars))
    layout.event(
      self._folder,
      events.END,
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
      evaluation_processor_seconds={
        split: list(spent) for split, spent in (costs or {}).items()
      },
      free=dict(free or {}),
      profiled_steps=profiled,
      again=ending.outcome == 'preempted',
      files=layout.row_hashes(self._folder),
    )
