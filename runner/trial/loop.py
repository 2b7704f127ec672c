"""The loop of one trial: a submission trains and is evaluated on the way.

This module does not depend on files, processes or devices. Clock, data,
evaluation and records are passed in, so that tests can replace them.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from runner.protocol.quantities import plain
from runner.protocol.timing import accounts
from runner.protocol.trial_file import Budget
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.monitor import Diverged, Watch
from submissions.submission import Start, Submission
from workloads.workload import Model, PyTree

Metrics = dict[str, float]


class Result(NamedTuple):
  """One evaluation."""

  step: int
  seconds: float  # Charged seconds before the evaluation.
  metrics: Metrics  # Values such as {'validation/loss': 0.1237}.


class Ending(NamedTuple):
  """Outcome of a trial, and its reason."""

  outcome: str  # Outcome of layout.SCORED or layout.OPEN.
  reason: str


class Leaving(Exception):
  """The trial was asked to leave the machine; it can be resumed later."""


class Harness(Protocol):
  """Clock, data, evaluation and records of a trial.

  Attributes:
    clock: The trial's clock.
    feed: Training batches; counts the steps.
    watch: Reads losses while training runs.
  """

  clock: Clock
  feed: Feed
  watch: Watch

  def plain(self, model: Model) -> Model:
    """Return a model as plain arrays; the submission pays for this."""
    ...

  def evaluate(self, model: Model, split: str) -> Metrics:
    """Evaluate a model on one split. Raises Leaving when asked to leave."""
    ...

  def reached(self, metrics: Metrics) -> bool:
    """Test whether metrics of the validation split reach the target."""
    ...

  def record(self, result: Result, state: PyTree) -> None:
    """Record an evaluation, and checkpoint the evaluated state."""
    ...

  def keep(self, result: Result, model: Model) -> None:
    """Keep the model that has reached the target, to evaluate it again."""
    ...

  def save(self, state: PyTree) -> None:
    """Checkpoint a state, so that the trial can be resumed."""
    ...

  def leaving(self) -> bool:
    """Test whether the trial is asked to leave the machine."""
    ...

  def not_finite(self, model: Model) -> str:
    """Return the name of an array with NaN or infinite numbers, or ''."""
    ...

  def trained(self, step: int) -> None:
    """Note a step; called for every state that the training loop yields."""
    ...


def run(
  submission: Submission, start: Start, budget: Budget, harness: Harness
) -> Ending:
  """Train until the target, the budget or the algorithm ends the trial.

  Args:
    submission: The submission.
    start: Its start; copies of results are appended to start.evals. A trial is
      resumed if start.state and earlier results in start.evals are set.
    budget: Times of evaluations and of the stop.
    harness: Clock, data, evaluation and records.

  Raises:
    ValueError: the submission yields no state.
    Exception: an exception of the submission.
  """
  try:
    return _run(submission, start, budget, harness)
  except Diverged as diverged:
    return Ending('diverged', str(diverged))
  except Leaving as leaving:
    return Ending('preempted', str(leaving))


def _run(submission, start: Start, budget: Budget, harness: Harness) -> Ending:
  told: list[Result] = start.evals  # pyrefly: ignore
  # A submission can change what it is told, and must not be evaluated more
  # often for that.
  evals = [_copied(result) for result in told]
  clock = harness.clock
  if evals and harness.reached(evals[-1].metrics):
    return _reached(evals[-1])
  for state, more in _looks(submission, start, budget, harness, evals):
    harness.watch.catch_up()
    if evals and evals[-1].step == harness.feed.steps:
      return Ending('ended', 'The algorithm ended its training.')
    with clock.account(accounts.VIEW):
      model = harness.plain(submission.model(state))
    if clock.charged() > budget.end:
      return _spent(budget)
    stop = _last(harness.feed.steps, budget)
    result = _evaluate(model, state, stop or not more, harness)
    evals.append(result)
    told.append(_copied(result))
    if reached := harness.reached(result.metrics):
      harness.keep(result, model)  # First: what is recorded has its model.
    harness.record(result, state)
    if reached:
      return _reached(result)
    if stop:
      return _stepped(harness.feed.steps, budget)
    if not more:
      break
  return Ending('ended', 'The algorithm ended its training.')


def _copied(result: Result) -> Result:
  return result._replace(metrics=dict(result.metrics))


def _looks(
  submission: Submission,
  start: Start,
  budget: Budget,
  harness: Harness,
  evals: list[Result],
) -> Iterator[tuple[PyTree, bool]]:
  """Yield states to evaluate, and whether more states follow.

  A trial that left during an evaluation resumes with that evaluation.
  """
  states = submission.train(start)
  state, more = start.state, True
  last, step = evals[-1] if evals else None, harness.feed.steps
  trained = state is not None and (last is None or step > last.step)
  if trained and _due(step, harness.clock.charged(), last, budget):
    yield state, more
  while more:
    with harness.clock.account(accounts.TRAIN):
      state, more = _advance(states, state, budget, harness, evals)
    if state is None:
      raise ValueError(
        'The training loop yielded nothing to evaluate: train must yield its '
        'state at least once.'
      )
    yield state, more


def _advance(
  states: Iterator[PyTree],
  before: PyTree,
  budget: Budget,
  harness: Harness,
  evals,
) -> tuple[PyTree, bool]:
  """Train until an evaluation is due.

  Returns:
    The last state, and False if the submission has ended its training.
  """
  last = evals[-1] if evals else None
  state = before  # Returned if the submission yields no further state.
  for state in states:
    charged = harness.clock.charged()
    harness.watch(harness.feed.steps, charged, state)
    harness.trained(harness.feed.steps)
    if harness.leaving():
      harness.save(state)
      raise Leaving(f'Asked to leave; saved at step {harness.feed.steps}.')
    if _due(harness.feed.steps, charged, last, budget):
      return state, True
  return state, False


def _due(
  step: int, seconds: float, last: Result | None, budget: Budget
) -> bool:
  if last is None or seconds > budget.end:
    return True
  if _last(step, budget):
    return True
  if budget.eval_steps is not None:
    return step >= last.step + budget.eval_steps
  return seconds >= last.seconds + budget.eval_seconds


def _evaluate(
  model: Model, state: PyTree, final: bool, harness: Harness
) -> Result:
  """Evaluate a state's model; save the state if asked to leave meanwhile."""
  try:
    return _examine(model, final, harness)
  except Leaving as leaving:
    harness.save(state)
    raise Leaving(f'{leaving} Saved at step {harness.feed.steps}.') from leaving


def _examine(model: Model, final: bool, harness: Harness) -> Result:
  """Evaluate the validation split, and finally the other splits as well.

  The test split is evaluated once, when it cannot influence any choice.
  """
  seconds = harness.clock.charged()
  with harness.clock.account(accounts.EVALUATE):
    if name := harness.not_finite(model):
      step = harness.feed.steps
      raise Diverged(f'{name} has NaN or infinite numbers at step {step}.')
    metrics = harness.evaluate(model, 'validation')
    if bad := [k for k, v in metrics.items() if not math.isfinite(v)]:
      raise Diverged(
        f'{bad[0]} is {metrics[bad[0]]} at step {harness.feed.steps}.'
      )
    if final or harness.reached(metrics):
      metrics |= harness.evaluate(model, 'train') | harness.evaluate(
        model, 'test'
      )
  return Result(harness.feed.steps, seconds, metrics)


def _spent(budget: Budget) -> Ending:
  if budget.beaten < budget.seconds:
    return _beaten(f'{plain(budget.beaten)} s', budget)
  return Ending('budget', f'The budget of {plain(budget.seconds)} s is spent.')


def _stepped(step: int, budget: Budget) -> Ending:
  if budget.steps is None or step < budget.steps:
    return _beaten(f'{budget.beaten_steps} steps', budget)
  return Ending('ended', f'The limit of {budget.steps} steps is reached.')


def _beaten(when: str, budget: Budget) -> Ending:
  return Ending(
    'beaten', f'After {when} it cannot change any score: {budget.why}.'
  )


def _last(step: int, budget: Budget) -> bool:
  return budget.last_step is not None and step >= budget.last_step


def _reached(result: Result) -> Ending:
  return Ending(
    'reached', f'At step {result.step}, after {plain(result.seconds)} s.'
  )
