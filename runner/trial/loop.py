"""One trial: a submission trains on a workload, and is evaluated on the way.

Nothing here knows files, processes or devices: time, data, evaluation and
recording are handed in, so that tests drive the loop with made-up ones.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from runner.protocol.quantities import plain
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.monitor import Diverged, Watch
from submissions.submission import Start, Submission
from workloads.workload import Model, PyTree

Metrics = dict[str, float]


class Budget(NamedTuple):
  """When to look, and when to stop; seconds are charged seconds."""

  seconds: float
  eval_seconds: float  # From one evaluation to the next.
  steps: int | None = None  # Stop after so many, whatever the clock says.
  eval_steps: int | None = None  # Look by steps instead of seconds.
  beaten: float = math.inf  # Another trial of the study needed so many.

  @property
  def end(self) -> float:
    """Charged seconds after which the trial is over."""
    return min(self.seconds, self.beaten)


class Result(NamedTuple):
  """One evaluation."""

  step: int
  seconds: float  # Charged when the model was handed over.
  metrics: Metrics  # For example {'validation/loss': 0.1237}.


class Ending(NamedTuple):
  outcome: str  # One of records.SCORED.
  reason: str


class Leaving(Exception):
  """The machine is wanted back; training can go on elsewhere."""


class TrialHarness(NamedTuple):
  """What a trial is run with."""

  clock: Clock
  feed: Feed  # Counts the steps.
  watch: Watch
  evaluate: Callable[[Model, str], Metrics]  # On one split.
  reached: Callable[[Metrics], bool]
  record: Callable[[Result, PyTree], None]
  leaving: Callable[[], bool] = lambda: False  # Whether to leave now.
  save: Callable[[PyTree], None] = lambda state: None  # To go on from.
  not_finite: Callable[[Model], str] = lambda model: ''  # Its name, if any.
  trained: Callable[[int], None] = lambda step: None  # After every state.


def run(
  submission: Submission, start: Start, budget: Budget, bench: TrialHarness
) -> Ending:
  """Trains until the target, the budget or the algorithm ends it.

  Args:
    submission: What trains.
    start: Its start; start.evals is a list that grows here. With start.state
      and earlier results in start.evals the trial goes on where it stopped.
    budget: When to look and to stop.
    bench: What to run with.

  Raises:
    ValueError: the loop yields nothing.
    Exception: whatever the submission raises.
  """
  try:
    return _run(submission, start, budget, bench)
  except Diverged as diverged:
    return Ending('diverged', str(diverged))
  except Leaving as leaving:
    return Ending('preempted', str(leaving))


def _run(
  submission, start: Start, budget: Budget, bench: TrialHarness
) -> Ending:
  evals: list[Result] = start.evals  # pyrefly: ignore
  clock = bench.clock
  if evals and bench.reached(evals[-1].metrics):
    return _reached(evals[-1])
  for state, more in _looks(submission, start, budget, bench):
    bench.watch.catch_up()
    if evals and evals[-1].step == bench.feed.steps:
      return Ending('ended', 'The algorithm ended its training.')
    with clock.account('view'):
      model = submission.model(state)
    if clock.charged() > budget.end:
      return _spent(budget)
    stop = budget.steps is not None and bench.feed.steps >= budget.steps
    result = _evaluate(model, state, stop or not more, bench)
    evals.append(result)
    bench.record(result, state)
    if bench.reached(result.metrics):
      return _reached(result)
    if stop:
      return Ending('ended', f'The limit of {budget.steps} steps is reached.')
    if not more:
      break
  return Ending('ended', 'The algorithm ended its training.')


def _looks(
  submission: Submission, start: Start, budget: Budget, bench: TrialHarness
) -> Iterator[tuple[PyTree, bool]]:
  """States to evaluate, and whether there are more.

  A trial that left while it was evaluated goes on with that evaluation.
  """
  evals: list[Result] = start.evals  # pyrefly: ignore
  states = submission.train(start)
  state, more = start.state, True
  last, step = evals[-1] if evals else None, bench.feed.steps
  trained = state is not None and (last is None or step > last.step)
  if trained and _due(step, bench.clock.charged(), last, budget):
    yield state, more
  while more:
    with bench.clock.account('train'):
      state, more = _advance(states, state, budget, bench, evals)
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
  bench: TrialHarness,
  evals,
) -> tuple[PyTree, bool]:
  """Trains until an evaluation is due; False when the loop has ended."""
  last = evals[-1] if evals else None
  state = before  # Unless there is a newer one.
  for state in states:
    charged = bench.clock.charged()
    bench.watch(bench.feed.steps, charged, state)
    bench.trained(bench.feed.steps)
    if bench.leaving():
      bench.save(state)
      raise Leaving(f'Asked to leave; saved at step {bench.feed.steps}.')
    if _due(bench.feed.steps, charged, last, budget):
      return state, True
  return state, False


def _due(
  step: int, seconds: float, last: Result | None, budget: Budget
) -> bool:
  if last is None or seconds > budget.end:
    return True
  if budget.steps is not None and step >= budget.steps:
    return True
  if budget.eval_steps is not None:
    return step >= last.step + budget.eval_steps
  return seconds >= last.seconds + budget.eval_seconds


def _evaluate(
  model: Model, state: PyTree, final: bool, bench: TrialHarness
) -> Result:
  """Of a state's model; asked to leave meanwhile, saves the state."""
  try:
    return _examine(model, final, bench)
  except Leaving as leaving:
    bench.save(state)
    raise Leaving(f'{leaving} Saved at step {bench.feed.steps}.') from leaving


def _examine(model: Model, final: bool, bench: TrialHarness) -> Result:
  """Metrics of the validation split; in the end of the others as well.

  The test split is looked at once, when nothing can be chosen by it any more.
  """
  seconds = bench.clock.charged()
  with bench.clock.account('evaluate'):
    if name := bench.not_finite(model):
      raise Diverged(
        f'{name} holds numbers that are not finite at step {bench.feed.steps}.'
      )
    metrics = bench.evaluate(model, 'validation')
    if bad := [k for k, v in metrics.items() if not math.isfinite(v)]:
      raise Diverged(
        f'{bad[0]} is {metrics[bad[0]]} at step {bench.feed.steps}.'
      )
    if final or bench.reached(metrics):
      metrics |= bench.evaluate(model, 'train') | bench.evaluate(model, 'test')
  return Result(bench.feed.steps, seconds, metrics)


def _spent(budget: Budget) -> Ending:
  if budget.beaten < budget.seconds:
    return Ending(
      'beaten',
      'Another trial of its study has reached the target in '
      f'{plain(budget.beaten)} s.',
    )
  return Ending('budget', f'The budget of {plain(budget.seconds)} s is spent.')


def _reached(result: Result) -> Ending:
  return Ending(
    'reached', f'At step {result.step}, after {plain(result.seconds)} s.'
  )
