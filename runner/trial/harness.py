"""What a real trial is run with: data, evaluation, records and signals."""

import signal
import threading
from collections.abc import Mapping

import jax

from runner.protocol.trial_file import TrialSpec
from runner.trial import evaluate, state_tree, task as tasks
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.loop import Metrics, Result
from runner.trial.monitor import Watch
from runner.trial.multihost import Hosts
from runner.trial.profiler import Profile
from runner.trial.recorder import NullRecorder, Recorder
from runner.trial.task import OnProgress, TrialTask
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
  """

  watch: Watch

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
  ):
    """Listen for SIGTERM, and open the training data.

    Args:
      trial: The trial.
      task: What is trained.
      clock: The attempt's clock.
      recorder: Keeps evaluations and states.
      hosts: The hosts of the trial.
      profile: Traces some steps.
      on_progress: Called with every progress event.
    """
    self.clock = clock
    self.task = task
    self.recorder = recorder
    self.feed = Feed(
      task.sources['train'], trial.trial.seed, clock, task.workload.padding
    )
    self._hosts = hosts
    self._on_progress = on_progress
    self._wanted = threading.Event()
    self._start: Start | None = None
    self._submission: Submission | None = None
    self._first = None  # The tree of the first state.
    self._profile = profile
    signal.signal(signal.SIGTERM, self._signalled)

  def follow(
    self, submission: Submission, start: Start, first: state_tree.TreeDef | None
  ) -> None:
    """Watch a submission's training from now on.

    Args:
      submission: What trains.
      start: Its start.
      first: The tree of its first state, where the trial goes on.
    """
    self._submission, self._start, self._first = submission, start, first
    self.watch = Watch(
      submission.scalars,
      tasks.record_every(self.task.spec),
      lambda step, seconds, loss: self._on_progress(
        {'step': step, 'seconds': seconds, 'loss': loss}
      ),
      self.feed.steps,
    )

  def evaluate(self, model: Model, split: str) -> Metrics:
    """Evaluate a model on one split. Raises Leaving when asked to leave."""
    return tasks.metrics(
      self.task, model, split, self._on_progress, self.leaving
    )

  def accounts(self) -> Mapping[str, float]:
    """Return the seconds of the clock's accounts, as the leader has them."""
    return self._hosts.agree('accounts', self.clock.accounts)

  def reached(self, metrics: Metrics) -> bool:
    """Return whether metrics of the validation split reach the target."""
    return self.task.reached(metrics)

  def keep(self, result: Result, model: Model) -> None:
    """Keep the model that has reached the target, to evaluate it again."""
    self.recorder.keep(result.step, model)

  def record(self, result: Result, state: PyTree) -> None:
    """Keep an evaluation and the state that was evaluated."""
    assert self._start is not None
    taken = self.watch.take()
    self.recorder.record(
      result, state, self.feed, taken, self._start.model, self._lost(state)
    )
    self._on_progress(
      {
        'step': result.step,
        'seconds': result.seconds,
        'metric': result.metrics[self.task.spec.column],
        'doing': 'training',
      }
    )

  def save(self, state: PyTree) -> None:
    """Keep a state from which the trial can go on."""
    self.watch.catch_up()
    taken = self.watch.take()
    self.recorder.save(state, self.feed, taken, self._lost(state))

  def leaving(self) -> bool:
    """Return whether any host is wanted back, which a signal there says."""
    return self._hosts.agree(
      'leaving', lambda: self._wanted.is_set() or self._hosts.asked()
    )

  def not_finite(self, model: Model) -> str:
    """Return the name of an array with NaN or infinite numbers, or ''."""
    return evaluate.not_finite(model)

  def trained(self, step: int) -> None:
    """Trace some steps, where that is asked for."""
    self._profile(step)

  def _lost(self, state: PyTree) -> str:
    """Return what of a state a checkpoint cannot hold, or ''."""
    assert self._submission is not None
    self._first = self._first or jax.tree.structure(state)
    return self._submission.lost(state) or state_tree.lost(state, self._first)

  def _signalled(self, *_: object) -> None:
    self._wanted.set()
    self._hosts.leave()
