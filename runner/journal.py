"""What the process of a trial writes down, and finds when it resumes."""

import os
import pathlib
import resource
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import jax

from runner import checkpoint, records
from runner.clock import Clock
from runner.feed import Feed
from runner.trial import Ending, Result
from runner.watch import Scalar
from workloads.workload import Model, PyTree


class Journal:
  """Of one attempt at a trial.

  Attributes:
    attempt: How many there were before.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    clock: Clock,
    suspended: Callable[[], float] = lambda: 0.0,
  ):
    """
    Args:
      folder: Of the trial.
      clock: Of the attempt.
      suspended: Seconds that the clock leaves out, as the process was stopped.
    """
    self._folder = folder
    self._clock = clock
    self._suspended = suspended
    self._step = 0
    self._optimizer_bytes = 0
    self._warned = False
    self.attempt = records.status(folder).attempts
    records.event(folder, 'start', self.attempt, pid=os.getpid())

  def _warn(self, lost: str) -> None:
    if not self._warned:
      self._warned = True
      print(
        f'This trial cannot be resumed: {lost}, which is not data. '
        'Interrupted, it starts over.',
        flush=True,
      )

  def restore(self) -> checkpoint.Checkpoint | None:
    """The last checkpoint; rows that it knows are in the files from now on.

    Without one the trial starts over, and rows of before are put aside.
    """
    found = checkpoint.load(self._folder / 'checkpoint')
    if found is None:
      for name in (records.EVALS, records.SCALARS):
        records.put_aside(self._folder / name, self.attempt)
    else:
      self._step = found.facts['steps']
      self._append(found.facts['eval_rows'], found.facts['scalar_rows'])
    return found

  def record(
    self,
    evals: list[Result],
    state: PyTree,
    feed: Feed,
    scalars: list[Scalar],
    model: Model,
    lost: str = '',
  ) -> None:
    """Of the newest evaluation: a checkpoint, and then the rows.

    The checkpoint is first and knows the rows, so that a process killed in
    between neither loses nor doubles them. What the state has beside a model
    like this one is the optimizer's. Where something of the state would be
    lost there is no checkpoint, and a trial that is interrupted starts over.
    """
    eval_row = self._eval_row(evals[-1])
    scalar_rows = [_scalar_row(scalar) for scalar in scalars]
    self._optimizer_bytes = max(0, _bytes(state) - _bytes(model))
    self._checkpoint(evals, state, feed, [eval_row], scalar_rows, lost)
    with self._clock.account('record'):
      self._append([eval_row], scalar_rows)
    self._step = feed.steps

  def save(
    self,
    evals: list[Result],
    state: PyTree,
    feed: Feed,
    scalars: list[Scalar],
    lost: str,
  ) -> None:
    """A checkpoint between evaluations."""
    self._checkpoint(
      evals, state, feed, [], [_scalar_row(scalar) for scalar in scalars], lost
    )
    self._step = feed.steps

  def _checkpoint(self, evals, state, feed, eval_rows, scalar_rows, lost):
    with self._clock.account('checkpoint'):
      facts = {
        'steps': feed.steps,
        'examples': feed.examples,
        'accounts': self._clock.accounts(),
        'evals': evals,
        'eval_rows': eval_rows,
        'scalar_rows': scalar_rows,
      }
      if lost:
        self._warn(lost)
      else:
        checkpoint.save(self._folder / 'checkpoint', feed.steps, state, facts)

  def failure(self, error: Exception) -> Ending:
    """The outcome of whatever a submission raised; keeps the traceback."""
    path = self._folder / f'traceback_{self.attempt}.txt'
    path.write_text(traceback.format_exc())
    text = str(error)
    first = text.strip().partition('\n')[0][:300]
    reason = f'{type(error).__name__}: {first} (see {path.name})'
    memory = isinstance(error, MemoryError) or 'RESOURCE_EXHAUSTED' in text
    return Ending('oom' if memory else 'crashed', reason)

  def end(
    self, ending: Ending, step: int = 0, scalars: Sequence[Scalar] = ()
  ) -> None:
    """Says how the attempt ended; its last seconds are on 'record'."""
    with self._clock.account('record'):
      self._append([], [_scalar_row(scalar) for scalar in scalars])
    records.event(
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
      peak_memory_bytes=_peak_memory(),
      optimizer_bytes=self._optimizer_bytes,
      again=ending.outcome == 'preempted',
    )

  def _append(self, eval_rows: list[dict], scalar_rows: list[dict]) -> None:
    if eval_rows:
      columns = _columns(eval_rows[0])
      records.append_rows(self._folder / records.EVALS, eval_rows, columns)
    if scalar_rows:
      records.append_rows(
        self._folder / records.SCALARS, scalar_rows, scalar_rows[0]
      )

  def _eval_row(self, result: Result) -> dict[str, Any]:
    """AlgoPerf's columns, and the accounts of ours that it does not tell."""
    spent = self._clock.accounts()
    return {
      'accumulated_submission_time': result.seconds,
      'accumulated_eval_time': spent['evaluate'],
      'accumulated_logging_time': spent['record'] + spent['checkpoint'],
      'accumulated_compile_time': spent['compile'],
      'accumulated_data_time': spent['data'],
      'accumulated_view_time': spent['view'],
      'global_step': result.step,
      'preemption_count': self.attempt,
      'score': result.seconds,
      'total_duration': sum(spent.values()),
    } | result.metrics


def _columns(eval_row: dict[str, Any]) -> list[str]:
  """Those of the row, with every metric on every split, as the last has."""
  metrics = [
    name.partition('/')[2] for name in eval_row if name.startswith('validation')
  ]
  return [name for name in eval_row if '/' not in name] + [
    f'{split}/{metric}'
    for split in ('train', 'validation', 'test')
    for metric in metrics
  ]


def _bytes(tree: PyTree) -> int:
  leaves = jax.tree.leaves(tree)
  return sum(x.nbytes for x in leaves if isinstance(x, jax.Array))


def _scalar_row(scalar: Scalar) -> dict[str, Any]:
  return {
    'global_step': scalar.step,
    'accumulated_submission_time': scalar.seconds,
  } | scalar.values


def _peak_memory() -> dict[str, int]:
  """Of the process, and of its first device where that is told."""
  host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  stats = jax.local_devices()[0].memory_stats() or {}
  device = stats.get('peak_bytes_in_use')
  return {'host': host} | ({} if device is None else {'device': device})
