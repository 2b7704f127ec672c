"""One trial, in a process of its own: a folder in, records in the folder out.

The parent writes trial.json; everything else in the folder is written here.
Whatever a submission raises becomes an outcome.
"""

import json
import math
import os
import pathlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import jax

import submissions
from runner.machine import load
from runner.protocol import layout, storage
from runner.protocol.suite import WorkloadSpec
from runner.trial import (
  checkpoint as checkpoints,
  compile_time,
  devices,
  evaluate,
  metadata,
  state_tree,
  suspension,
  task as problems,
)
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.loop import Budget, Metrics, Result, TrialHarness, run
from runner.trial.monitor import Watch
from runner.trial.multihost import Hosts
from runner.trial.profiler import Profile
from runner.trial.recorder import NullRecorder, Recorder
from runner.trial.task import Tell
from submissions.submission import Start, Submission
from workloads.workload import Model

LAST = 20.0  # Seconds that a host which fails leaves the first one to end.


def main(
  folder: pathlib.Path,
  started: float,
  tell: Tell,
  hosts: Hosts,
  profiled: int = 0,
  beaten: float = math.inf,
) -> int:
  """Runs or resumes the trial in a folder.

  Args:
    folder: With trial.json.
    started: When the process was started, in seconds of time.monotonic.
    tell: Hears of the trial's progress.
    hosts: That run it; the first one keeps its records.
    profiled: Steps to make a trace of.
    beaten: Charged seconds from which on it cannot change its study's score.

  Returns:
    An exit code: os.EX_IOERR where the folder does not take the records.
  """
  if hosts.number:
    _follow(folder, hosts, beaten)
  stopwatch = suspension.Stopwatch()
  clock = Clock(stopwatch.now, devices.wait, started, hosts.agree, load.read)
  try:
    with compile_time.noticed(clock) as compiled:
      journal = Recorder(folder, clock, lambda: stopwatch.suspended, compiled)
      try:
        profile = Profile(folder, profiled, clock)
        _train(folder, clock, journal, tell, hosts, profile, beaten)
      except storage.StorageError:
        raise  # No fault of the submission's, and not to be written down here.
      except Exception as error:
        journal.end(journal.failure(error))
  except storage.StorageError as error:
    print(error, file=sys.stderr, flush=True)
    hosts.close()
    return os.EX_IOERR
  tell({'over': True})  # The parent stops its own watch.
  hosts.close()
  return 0


def _follow(folder: pathlib.Path, hosts: Hosts, beaten: float) -> NoReturn:
  """Trains as the first host does, until that one ends this process.

  What is raised here is most likely raised there, and told there.
  """
  clock = Clock(wait=devices.wait, agree=hosts.agree)
  try:
    profile = Profile(folder, 0, clock)
    journal = NullRecorder()
    _train(folder, clock, journal, lambda news: None, hosts, profile, beaten)
  except Exception:
    traceback.print_exc()
    time.sleep(LAST)
    raise
  while True:
    time.sleep(LAST)


def _train(
  folder: pathlib.Path,
  clock: Clock,
  journal: Recorder | NullRecorder,
  tell: Tell,
  hosts: Hosts,
  profile: Profile,
  beaten: float,
) -> None:
  leaving = _leaving(hosts)
  trial = storage.read_json(folder / layout.TRIAL)
  problem = problems.read(trial)
  budget = Budget(**trial['budget'], beaten=beaten)
  examples = {name: len(source) for name, source in problem.sources.items()}
  if isinstance(journal, Recorder):
    path = folder / f'meta_data_{journal.attempt}.json'
    metadata.write(path, trial, examples)
  feed = Feed(
    problem.sources['train'], trial['seed'], clock, problem.workload.padding
  )

  def examined(model: Model, split: str) -> Metrics:
    return problems.metrics(problem, model, split, tell, leaving)

  def accounts() -> Mapping[str, float]:
    return hosts.agree('accounts', clock.accounts)

  def made() -> Submission:
    return submissions.make(
      layout.source(folder, trial['submission']),
      problems.task(problem),
      trial['hyperparameters'],
      problems.goal(problem, budget, examined, accounts),
    )

  with clock.account('train'):
    submission = made()
  init, train = jax.random.split(jax.random.key(trial['seed']))
  evals: list[Result] = []
  start = Start(
    devices.replicate(jax.jit(problem.workload.init)(init)),
    train,
    feed,
    evals,
    clock.charged,
    lambda: clock.charged() / budget.seconds,
    place=devices.spread if trial.get('shard_state') else devices.whole,
  )
  first = None  # The tree of its first state.
  with clock.account('restore'):
    found = hosts.agree('checkpoint', journal.restore)
    resumed = _resumed(submission, start, found, feed, journal)
  if resumed is not None:
    start, first = resumed
    clock.restore(found.facts['accounts'], found.facts.get('load'))
    evals.extend(hosts.agree('results', journal.results))
  elif found is not None:
    with clock.account('train'):
      submission = made()  # The one before has begun to train.

  def lost(state) -> str:
    nonlocal first
    first = first or jax.tree.structure(state)
    return submission.lost(state) or state_tree.lost(state, first)

  watch = Watch(
    submission.scalars,
    problems.record_every(problem.row),
    lambda step, seconds, loss: tell(
      {'step': step, 'seconds': seconds, 'loss': loss}
    ),
    feed.steps,
  )

  def record(result: Result, state) -> None:
    taken = watch.take()
    journal.record(result, state, feed, taken, start.model, lost(state))
    tell(_news(result, problem.row))

  def save(state) -> None:
    watch.catch_up()
    journal.save(state, feed, watch.take(), lost(state))

  bench = TrialHarness(
    clock,
    feed,
    watch,
    examined,
    lambda metrics: bool(problem.row.reached(metrics[problem.row.column])),
    record,
    leaving,
    save,
    evaluate.not_finite,
    profile,
  )
  ending = run(submission, start, budget, bench)
  profile.stop(feed.steps)
  journal.end(ending, feed.steps, watch.take(), feed.padding, profile.steps)


def _leaving(hosts: Hosts) -> Callable[[], bool]:
  """Whether a machine is wanted back, which a signal there says."""
  wanted = threading.Event()

  def signalled(*_) -> None:
    wanted.set()
    hosts.leave()

  signal.signal(signal.SIGTERM, signalled)
  return lambda: hosts.agree(
    'leaving', lambda: wanted.is_set() or hosts.asked()
  )


def _resumed(
  submission: Submission,
  start: Start,
  found: checkpoints.Checkpoint | None,
  feed: Feed,
  journal: Recorder | NullRecorder,
) -> tuple[Start, state_tree.TreeDef] | None:
  """The start of a trial that goes on where its checkpoint was made.

  The first state of a fresh loop tells where arrays lie, and what its states
  hold beside data; its tree is returned, too. None where there is no
  checkpoint, or none that can be put together again.
  """
  if found is None:
    return None
  template = next(submission.train(start))
  tree = found.facts.get('tree')
  try:
    state = checkpoints.restore(template, found.arrays, tree)
  except state_tree.UnfitError as error:
    journal.start_over(str(error))
    feed.steps, feed.examples = 0, 0
    return None
  feed.steps, feed.examples = found.facts['steps'], found.facts['examples']
  return start._replace(state=state), jax.tree.structure(template)


def _news(result: Result, row: WorkloadSpec) -> dict[str, Any]:
  return {
    'step': result.step,
    'seconds': result.seconds,
    'metric': result.metrics[row.column],
    'doing': 'training',
  }


def teller(descriptor: int) -> Tell:
  """Writes progress as lines of JSON, but for evaluations a few a second."""
  if descriptor < 0:
    return lambda news: None
  file = os.fdopen(descriptor, 'w', buffering=1, encoding='utf-8')
  last = {'time': 0.0}

  def tell(news: dict[str, Any]) -> None:
    now = time.monotonic()
    if not news.keys() & {'metric', 'over'} and now - last['time'] < 0.3:
      return
    last['time'] = now
    try:
      file.write(json.dumps(news) + '\n')
    except BrokenPipeError:  # The parent is gone: another may resume this.
      os._exit(1)

  return tell
