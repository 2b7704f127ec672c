"""The process of one trial, which reads and writes the trial's folder.

The parent writes trial.json; this process writes the other files. An exception
of the submission becomes the trial's outcome.
"""

import dataclasses
import os
import pathlib
import sys
import time
import traceback
from typing import NoReturn

import jax

import submissions
from runner.guard.company import Company
from runner.machine import load, suspension
from runner.protocol import layout, storage, trial_file
from runner.protocol.attempt_spec import AttemptSpec
from runner.protocol.records import checkpoints as facts_of
from runner.protocol.records.progress import OnProgress, ProgressEvent
from runner.protocol.timing import accounts
from runner.protocol.trial_file import TrialSpec
from runner.trial import (
  allowance as allowances,
  checkpoint as checkpoints,
  compile_time,
  devices,
  evaluate,
  metadata,
  state_tree,
  task as tasks,
)
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.harness import TrialHarness
from runner.trial.hosts import whole_schedule
from runner.trial.hosts.null_recorder import NullRecorder
from runner.trial.loop import run
from runner.trial.multihost import Hosts
from runner.trial.profiler import Profile
from runner.trial.recorder import Recorder
from runner.trial.task import TrialTask
from submissions.submission import Start, Submission
from workloads import generated

LAST = 20.0  # Seconds that a failed host waits for the leader's end.


def main(spec: AttemptSpec, on_progress: OnProgress, hosts: Hosts) -> int:
  """Run or resume the trial in a folder.

  Args:
    spec: The attempt.
    on_progress: Called with every progress event.
    hosts: The hosts of the trial; the leader keeps its records.

  Returns:
    An exit code: os.EX_IOERR if the records cannot be written.
  """
  if hosts.number:
    _follow(spec, hosts)
  folder = pathlib.Path(spec.folder)
  stopwatch = suspension.Stopwatch()
  clock = Clock(
    stopwatch.now, devices.wait, spec.started, hosts.agree, load.read
  )
  company = Company()
  try:
    with compile_time.noticed(clock, company) as compiled:
      recorder = Recorder(folder, clock, lambda: stopwatch.suspended, compiled)
      try:
        profile = Profile(folder, spec.profile, clock)
        _train(
          spec,
          clock,
          recorder=recorder,
          on_progress=on_progress,
          hosts=hosts,
          profile=profile,
          company=company,
        )
      except storage.StorageError:
        raise  # A fault of the disk, which cannot hold its own record.
      except Exception as error:
        recorder.end(recorder.failure(error))
  except storage.StorageError as error:
    print(error, file=sys.stderr, flush=True)
    hosts.close()
    return os.EX_IOERR
  on_progress(ProgressEvent(over=True))  # The parent stops its own watch.
  hosts.close()
  return 0


def _follow(spec: AttemptSpec, hosts: Hosts) -> NoReturn:
  """Train as the leader does, until the leader ends this process.

  Exceptions wait, because the leader probably raises and records them as well.
  """
  clock = Clock(wait=devices.wait, agree=hosts.agree)
  try:
    profile = Profile(pathlib.Path(spec.folder), 0, clock)
    _train(
      spec,
      clock,
      recorder=NullRecorder(),
      on_progress=lambda event: None,
      hosts=hosts,
      profile=profile,
      company=Company(),
    )
  except Exception:
    traceback.print_exc()
    time.sleep(LAST)
    raise
  while True:
    time.sleep(LAST)


def _train(
  attempt: AttemptSpec,
  clock: Clock,
  recorder: Recorder | NullRecorder,
  on_progress: OnProgress,
  hosts: Hosts,
  profile: Profile,
  company: Company,
) -> None:
  folder = pathlib.Path(attempt.folder)
  trial = trial_file.parse(storage.read_json(folder / layout.TRIAL))
  clock.charge(trial.charges)
  generated.read(attempt.common, attempt.generated)
  task = tasks.read(trial)
  budget = dataclasses.replace(
    trial.budget,
    beaten=attempt.beaten,
    beaten_steps=attempt.beaten_steps,
    why=attempt.why,
  )
  if isinstance(recorder, Recorder):
    path = folder / f'meta_data_{recorder.attempt}.json'
    metadata.write(path, trial, task.examples)
  harness = TrialHarness(
    trial,
    task,
    clock=clock,
    recorder=recorder,
    hosts=hosts,
    profile=profile,
    on_progress=on_progress,
    company=company,
  )

  def made() -> Submission:
    return submissions.make(
      layout.source(folder, trial.trial.submission),
      tasks.for_submission(task),
      trial.trial.hyperparameters,
      tasks.goal(task, budget, harness.metrics, harness.accounts),
    )

  with compile_time.programs_of(attempt.common):
    start = _start(trial, task, clock, harness.feed)
    harness.limit(start.model)
  padding = tasks.padding(task, trial.trial.seed)
  with clock.account(accounts.TRAIN):
    submission = made()
  with clock.account(accounts.RESTORE):
    found = hosts.agree('checkpoint', recorder.restore)
    if found is not None:
      harness.allowance.grant(allowances.restoring(found.arrays))
    resumed = _resumed(submission, start, found, harness.feed, recorder, clock)
  first = None
  if resumed is not None:
    start, first = resumed
    facts = facts_of.parse(found.facts)
    clock.restore(facts.accounts, facts.load)
    start = start._replace(evals=list(hosts.agree('results', recorder.results)))
  elif found is not None:
    with clock.account(accounts.TRAIN):
      submission = made()  # The one before has begun to train.
  if isinstance(recorder, Recorder):
    whole_schedule.record(
      folder,
      submission.schedule,
      task.spec.steps,
      clock=clock,
      allowance=harness.allowance,
    )
  harness.follow(submission, start, first)
  ending = run(submission, start, budget, harness)
  steps = harness.feed.steps
  profile.stop(steps)
  taken = harness.watch.take()
  recorder.end(
    ending,
    steps,
    taken,
    padding=padding,
    profiled=profile.steps,
    costs=harness.costs,
    free=harness.allowance.facts(),
  )


def _start(
  trial: TrialSpec, task: TrialTask, clock: Clock, feed: Feed
) -> Start:
  """Return the start of a fresh trial."""

  def progress() -> float:
    steps = trial.budget.whole or (None if trial.timed else trial.budget.steps)
    if steps:
      return feed.steps / steps
    return clock.charged() / trial.budget.seconds

  model, train = evaluate.fresh(task.workload, trial.trial.seed)
  return Start(
    model=model,
    key=devices.replicate(train),  # Or every step would copy the key.
    batches=feed,
    evals=[],
    elapsed=clock.charged,
    progress=progress,
    place=devices.spread if trial.shard_state else devices.whole,
    share_programs=trial.tries_points,
  )


def _resumed(
  submission: Submission,
  start: Start,
  found: checkpoints.Checkpoint | None,
  feed: Feed,
  recorder: Recorder | NullRecorder,
  clock: Clock,
) -> tuple[Start, state_tree.TreeDef] | None:
  """Return the start of a trial that resumes from its checkpoint.

  A fresh loop is started for its first state, which gives the places of arrays
  and the parts of a state that are not data. As its training counts for no
  steps, it gets the same batch again and again.

  Returns:
    The start and the tree of that first state; None if there is no checkpoint,
    or if the checkpoint's state cannot be rebuilt.
  """
  if found is None:
    return None
  facts = facts_of.parse(found.facts)
  with clock.repeated(allowances.repeating(facts.accounts)):
    fresh = start._replace(batches=feed.first)
    template = next(submission.train(fresh))
  feed.steps, feed.examples = 0, 0
  try:
    state = checkpoints.restore(template, found.arrays, facts.tree)
  except state_tree.UnfitError as error:
    recorder.start_over(str(error))
    return None
  feed.steps, feed.examples = facts.steps, facts.examples
  return start._replace(state=state), jax.tree.structure(template)


def progress_to(descriptor: int) -> OnProgress:
  """Return a writer of progress events, as lines of JSON.

  Evaluations and the end are always written, other events every 0.3 s at most.
  """
  if descriptor < 0:
    return lambda event: None
  file = os.fdopen(descriptor, 'w', buffering=1, encoding='utf-8')
  last = 0.0

  def write(event: ProgressEvent) -> None:
    nonlocal last
    now = time.monotonic()
    if not event.must_arrive and now - last < 0.3:
      return
    last = now
    try:
      file.write(event.to_line())
    except BrokenPipeError:  # The parent has ended; another may resume this.
      os._exit(1)

  return write
