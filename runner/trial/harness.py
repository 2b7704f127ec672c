"""Data, evaluation, records and signals of a real trial, for its loop."""

import signal
import threading
from collections.abc import Mapping

from runner.guard import plain
from runner.guard.company import Company
from runner.machine import load
from runner.protocol import columns
from runner.protocol.records.progress import OnProgress, ProgressEvent
from runner.protocol.timing import accounts
from runner.protocol.trial_file import TrialSpec
from runner.trial import (
  allowance as allowances,
  evaluate,
  state_tree,
  task as tasks,
)
from runner.trial.allowance import Allowance
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.hosts.null_recorder import NullRecorder
from runner.trial.loop import Metrics, Result
from runner.trial.monitor import Watch
from runner.trial.multihost import Hosts
from runner.trial.profiler import Profile
from runner.trial.recorder import Recorder
from runner.trial.task import TrialTask
from submissions.submission import Start, Submission
from workloads.workload import Model, PyTree


class TrialHarness:
  """The harness of one attempt at a trial.

  Attributes:
    clock: The attempt's clock.
    feed: Training batches; counts the steps.
    watch: Reads losses while training runs; set by `follow`.
    task: What is trained.
    recorder: Keeps evaluations and states.
    costs: Processor seconds of every evaluation, by split.
    allowance: Seconds of free work; set by `limit`.
  """

  watch: Watch
  allowance: Allowance

  def __init__(
    self,
    trial: TrialSpec,
    task: TrialTask,
    *,
    clock: Clock,
    recorder: Recorder | NullRecorder,
    hosts: Hosts,
    profile: Profile,
    on_progress: OnProgress,
    company: Company,
  ):
    """Listen for SIGTERM, and open the training data.

    Args:
      trial: The trial.
      task: Workload, data and target.
      clock: The attempt's clock.
      recorder: Records evaluations and checkpoints states.
      hosts: The hosts of the trial.
      profile: Traces some steps.
      on_progress: Called with every progress event.
      company: Threads and processes of the submission.
    """
    self.clock = clock
    self.task = task
    self.recorder = recorder
    source = task.sources[columns.TRAIN]
    self.feed = Feed(source, trial.trial.seed, clock)
    self._hosts = hosts
    self._on_progress = on_progress
    self._wanted = threading.Event()
    company.remember()
    self._company = company
    self.costs: dict[str, list[float]] = {split: [] for split in columns.SPLITS}
    self._free: Mapping[str, float] = {}  # Seconds of an evaluation by split.
    self._start: Start | None = None
    self._submission: Submission | None = None
    self._flatten = state_tree.Flattener()
    self._profile = profile
    signal.signal(signal.SIGTERM, self._signalled)

  def limit(self, model: Model) -> None:
    """Bound free work from now on. Call it before a submission is loaded.

    Args:
      model: A model of the workload.
    """
    task = self.task
    read, counted = allowances.counted(task)
    evaluate.warm_up(task.workload, task.sources, task.spec, model)
    began = read()
    self._free = allowances.measured(task, model, read)
    self.allowance = Allowance(read, counted, read() - began)
    self.clock.limit(self.allowance)

  def follow(
    self, submission: Submission, start: Start, first: state_tree.TreeDef | None
  ) -> None:
    """Watch a submission's training from now on.

    Args:
      submission: The submission.
      start: Its start.
      first: Tree of its first state if the trial is resumed, else None.
    """
    self._submission, self._start = submission, start
    self._flatten = state_tree.Flattener(first)
    self.watch = Watch(
      submission.scalars,
      tasks.record_every(self.task.spec),
      lambda step, seconds, loss: self._on_progress(
        ProgressEvent(step=step, seconds=seconds, loss=loss)
      ),
      self.feed.steps,
    )

  def plain(self, model: Model) -> Model:
    """Return a model as plain arrays; the submission pays for this."""
    assert self._start is not None
    return plain.model(model, self._start.model)

  def evaluate(self, model: Model, split: str) -> Metrics:
    """Evaluate a model on one split. Raises Leaving when asked to leave."""
    self._company.check()
    self.allowance.grant(self._free[split])
    processor = load.processor()
    found = self.metrics(model, split)
    self._company.check()
    self.costs[split].append(load.processor() - processor)
    return found

  def metrics(self, model: Model, split: str) -> Metrics:
    """Evaluate a model on one split, whatever else runs."""
    return tasks.metrics(
      self.task, model, split, self._on_progress, self.leaving
    )

  def accounts(self) -> Mapping[str, float]:
    """Return the seconds of the leader's accounts, the same on all hosts."""
    return self._hosts.agree('accounts', self.clock.accounts)

  def reached(self, metrics: Metrics) -> bool:
    """Test whether metrics of the validation split reach the target."""
    return self.task.reached(metrics)

  def keep(self, result: Result, model: Model) -> None:
    """Keep the model that has reached the target, to evaluate it again."""
    self._allow(model)
    self.recorder.keep(result.step, model)

  def record(self, result: Result, state: PyTree) -> None:
    """Record an evaluation, and checkpoint the evaluated state."""
    assert self._start is not None
    flat, taken = self._flat(state), self.watch.take()
    self._allow(flat.leaves)
    self.recorder.record(result, flat, self.feed, taken, self._start.model)
    self._on_progress(
      ProgressEvent(
        step=result.step,
        seconds=result.seconds,
        metric=result.metrics[self.task.spec.column],
        doing='training',
      )
    )

  def save(self, state: PyTree) -> None:
    """Checkpoint a state, so that the trial can be resumed."""
    self.watch.catch_up()
    flat, taken = self._flat(state), self.watch.take()
    self._allow(flat.leaves)
    self.recorder.save(flat, self.feed, taken)

  def leaving(self) -> bool:
    """Test whether any host has received SIGTERM."""
    return self._hosts.agree(
      'leaving', lambda: self._wanted.is_set() or self._hosts.asked()
    )

  def not_finite(self, model: Model) -> str:
    """Return the name of an array with NaN or infinite numbers, or ''."""
    return evaluate.not_finite(model)

  def trained(self, step: int) -> None:
    """Note a step; trace some steps with --profile."""
    self._profile(step)

  def _allow(self, arrays: PyTree) -> None:
    """Make the storing of arrays free."""
    self.allowance.grant(allowances.storing(arrays))

  def _flat(self, state: PyTree) -> state_tree.Flat:
    """Return a state as plain leaves; the submission pays for this."""
    assert self._submission is not None
    with self.clock.account(accounts.TRAIN):
      flat = self._flatten(state)
      lost = str(self._submission.lost(state))
    return flat._replace(lost=lost or flat.lost)

  def _signalled(self, *_: object) -> None:
    self._wanted.set()
    self._hosts.leave()
