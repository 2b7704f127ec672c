"""One trial, in a process of its own: a folder in, records in the folder out.

The parent writes trial.json; everything else in the folder is written here.
Errors of the submission become outcomes; the process says what happened in
attempts.jsonl and leaves without cleaning up, as its seconds are counted.
"""

import json
import os
import pathlib
import resource
import time
import traceback
from collections.abc import Callable
from typing import Any

import jax

import submissions
import workloads
from runner import checkpoint, compiling, devices, evaluate, metadata, records
from runner.clock import Clock
from runner.feed import Feed
from runner.rules import Row
from runner.trial import Bench, Budget, Ending, Result, run
from runner.watch import Scalar, Watch
from submissions.submission import Start, Submission, Task
from workloads.workload import Workload

RECORDS = 200  # Scalars recorded over the step budget.


def main(folder: pathlib.Path, started: float, tell: Callable[[dict], None]):
  """Runs or resumes the trial in a folder.

  Args:
    folder: With trial.json.
    started: When the process was started, in seconds of time.monotonic.
    tell: Hears of the trial's progress.
  """
  clock = Clock(wait=devices.wait, started=started)
  attempt = records.status(folder).attempts
  records.append_line(
    folder / records.ATTEMPTS,
    {'event': 'start', 'attempt': attempt, 'pid': os.getpid(), 'time': _now()},
  )
  race = _Race(folder, clock, attempt, tell)
  try:
    with compiling.noticed(clock):
      ending = race.run()
  except Exception as error:
    ending = _failure(error, folder / f'traceback_{attempt}.txt')
  race.close(ending)


class _Race:
  """What the steps of one attempt share."""

  def __init__(self, folder: pathlib.Path, clock: Clock, attempt: int, tell):
    self.folder = folder
    self.clock = clock
    self.attempt = attempt
    self.tell = tell
    self.trial = records.read_json(folder / records.TRIAL)
    self.row = Row(**self.trial['row'])
    self.budget = Budget(**self.trial['budget'])
    self.evals: list[Result] = []
    dispatches = self.row.steps // self.row.steps_per_dispatch
    stride = max(1, dispatches // RECORDS)
    self.every = stride * self.row.steps_per_dispatch
    self._feed: Feed | None = None

  @property
  def feed(self) -> Feed:
    assert self._feed is not None, 'Made once the data are found.'
    return self._feed

  def run(self) -> Ending:
    workload = workloads.get(self.trial['workload'])
    sources = {
      split: workload.source(split, self.trial['data_dir'])
      for split in ('train', 'validation', 'test')
    }
    metadata.write(self.folder / f'meta_data_{self.attempt}.json', self.trial)
    self._feed = Feed(sources['train'], self.trial['seed'], self.clock)
    with self.clock.account('train'):
      submission = self._build(workload, len(sources['train']))
    init, train = jax.random.split(jax.random.key(self.trial['seed']))
    start = Start(
      devices.replicate(jax.jit(workload.init)(init)),
      train,
      self.feed,
      self.evals,
      self.clock.charged,
      lambda: self.clock.charged() / self.budget.seconds,
    )
    start = self._restored(submission, start)
    watch = Watch(submission.scalars, self.every, self._progress)
    bench = Bench(
      self.clock,
      self.feed,
      watch,
      lambda model, split: self._metrics(workload, model, split, sources),
      lambda metrics: bool(self.row.reached(metrics[self.row.column])),
      lambda result, state: self._record(result, state, watch),
    )
    return run(submission, start, self.budget, bench)

  def _build(self, workload: Workload, examples: int) -> Submission:
    row = self.row
    task = Task(
      workload,
      row.steps,
      row.batch_size,
      examples,
      row.steps_per_dispatch,
      self.every,
    )
    path = self.folder / f'{self.trial["submission"]}.py'
    return submissions.make(path, task, self.trial['hyperparameters'])

  def _restored(self, submission: Submission, start: Start) -> Start:
    """The start of a trial that goes on where its checkpoint was made."""
    with self.clock.account('restore'):
      found = checkpoint.load(self.folder / 'checkpoint')
      if found is None:
        return start
      loop = submission.train(start)
      state = checkpoint.restore(next(loop), found.arrays)
      loop.close()  # pyrefly: ignore
      facts = found.facts
      self.feed.steps, self.feed.examples = facts['steps'], facts['examples']
      self.evals.extend(Result(*result) for result in facts['evals'])
      self._append(facts['eval_rows'], facts['scalar_rows'])
    self.clock.restore(facts['accounts'])
    return start._replace(state=state)

  def _metrics(self, workload, model, split: str, sources) -> dict[str, float]:
    self.tell({'doing': f'evaluating {split}'})
    limit = self.row.train_examples if split == 'train' else None
    size = self.row.eval_batch_size
    metrics = evaluate.evaluate(workload, model, sources[split], size, limit)
    count = min(len(sources[split]), limit or len(sources[split]))
    named = {f'{split}/{name}': value for name, value in metrics.items()}
    return named | {f'{split}/num_examples': count}

  def _record(self, result: Result, state, watch: Watch) -> None:
    """The checkpoint first: it knows the rows, should they not be written."""
    eval_row = self._eval_row(result)
    scalars = [_scalar_row(scalar) for scalar in watch.take()]
    with self.clock.account('checkpoint'):
      facts = {
        'steps': self.feed.steps,
        'examples': self.feed.examples,
        'accounts': self.clock.accounts(),
        'evals': self.evals,
        'eval_rows': [eval_row],
        'scalar_rows': scalars,
      }
      checkpoint.save(self.folder / 'checkpoint', result.step, state, facts)
    with self.clock.account('record'):
      self._append([eval_row], scalars)
    self.tell(
      {
        'step': result.step,
        'seconds': result.seconds,
        'metric': result.metrics[self.row.column],
        'doing': 'training',
      }
    )

  def _append(self, eval_rows, scalar_rows) -> None:
    metrics = {
      name.partition('/')[2] for name in eval_rows[0] if name[:4] == 'vali'
    }
    columns = [name for name in eval_rows[0] if '/' not in name]
    columns += [
      f'{split}/{metric}'
      for split in ('train', 'validation', 'test')
      for metric in metrics
    ]
    records.append_rows(self.folder / records.EVALS, eval_rows, columns)
    if scalar_rows:
      records.append_rows(
        self.folder / records.SCALARS, scalar_rows, scalar_rows[0]
      )

  def _eval_row(self, result: Result) -> dict[str, Any]:
    """AlgoPerf's columns, and the accounts of ours that it does not tell."""
    spent = self.clock.accounts()
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

  def _progress(self, step: int, seconds: float, loss: float) -> None:
    self.tell({'step': step, 'seconds': seconds, 'loss': loss})

  def close(self, ending: Ending) -> None:
    """Says how the attempt ended; the last seconds are on 'record'."""
    with self.clock.account('record'):
      steps = self._feed.steps if self._feed else 0
    records.append_line(
      self.folder / records.ATTEMPTS,
      {
        'event': 'end',
        'attempt': self.attempt,
        'outcome': ending.outcome,
        'reason': ending.reason,
        'step': steps,
        'seconds': self.clock.charged(),
        'accounts': self.clock.accounts(),
        'own_seconds': self.clock.own_seconds(),
        'peak_memory_bytes': _peak_memory(),
      },
    )


def _scalar_row(scalar: Scalar) -> dict[str, Any]:
  return {
    'global_step': scalar.step,
    'accumulated_submission_time': scalar.seconds,
  } | scalar.values


def _failure(error: Exception, path: pathlib.Path) -> Ending:
  path.write_text(traceback.format_exc())
  text = str(error)
  first = text.strip().partition('\n')[0][:300]
  reason = f'{type(error).__name__}: {first} (see {path.name})'
  memory = isinstance(error, MemoryError) or 'RESOURCE_EXHAUSTED' in text
  return Ending('oom' if memory else 'crashed', reason)


def _peak_memory() -> dict[str, int]:
  """Of the process, and of its first device where that is told."""
  host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  stats = jax.local_devices()[0].memory_stats() or {}
  device = stats.get('peak_bytes_in_use')
  return {'host': host} | ({} if device is None else {'device': device})


def _now() -> str:
  return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())


def teller(descriptor: int) -> Callable[[dict], None]:
  """Writes progress as lines of JSON, at most a few a second of each kind."""
  if descriptor < 0:
    return lambda news: None
  file = os.fdopen(descriptor, 'w', buffering=1)
  last = {}

  def tell(news: dict) -> None:
    now = time.monotonic()
    if 'metric' not in news and now - last.get('time', 0.0) < 0.3:
      return
    last['time'] = now
    try:
      file.write(json.dumps(news) + '\n')
    except BrokenPipeError:  # The parent is gone: another may resume this.
      os._exit(1)

  return tell
