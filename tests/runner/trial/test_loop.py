"""The loop of a trial, with integers for models and made-up time."""

import itertools
import math
import types

import pytest

from runner.protocol.trial_file import Budget
from runner.trial.clock import Clock
from runner.trial.loop import Leaving, run
from runner.trial.monitor import Diverged, Watch
from submissions.submission import Start, Submission
from workloads.workload import Model


class Counter:
  """Stands for the feed: counts what is drawn."""

  steps = 0

  def __call__(self, size, stack=1):
    while True:
      self.steps += 1
      yield self.steps


def counting(limit=None, step_seconds=1.0, loss=lambda n: 0.0):
  """A submission whose state is the number of its steps."""

  def train(start):
    for n in itertools.islice(start.batches(1), limit):
      start.key[0] += step_seconds  # The time passes here.
      yield n

  return Submission(train, Model, lambda n: {'loss': loss(n)})


class Trial:
  """Runs a submission; every second passes in its steps."""

  def __init__(
    self,
    submission,
    budget,
    target=math.inf,
    validation=None,
    before=None,
    leave_in=None,
    bad='',
  ):
    self.time = [0.0]
    self.feed = Counter()
    self.evals = []
    state = None
    if before:  # Goes on where another trial was interrupted.
      self.evals = before.evals[:]
      state, self.feed.steps, seconds = before.saved
      self.time = [seconds]
    self.saved, self.kept = None, []
    self.splits = []
    clock = Clock(lambda: self.time[0])
    clock.restore({'train': self.time[0]})

    def evaluate(model, split):
      self.time[0] += 10.0  # Free of charge.
      self.splits.append(split)
      if len(self.splits) == leave_in:
        raise Leaving('Asked to leave.')
      value = validation(model.params) if validation else model.params
      return {f'{split}/n': value}

    def save(state):
      self.saved = (state, self.feed.steps, clock.charged())

    harness = types.SimpleNamespace(
      clock=clock,
      feed=self.feed,
      watch=Watch(submission.scalars, 1),
      plain=lambda model: model,
      evaluate=evaluate,
      reached=lambda metrics: metrics['validation/n'] >= target,
      record=lambda result, state: save(state),
      keep=lambda result, model: self.kept.append((result.step, model)),
      save=save,
      leaving=lambda: False,
      not_finite=lambda model: bad,
      trained=lambda step: None,
    )
    start = Start(None, self.time, self.feed, self.evals, state=state)
    self.ending = run(submission, start, budget, harness)

  @property
  def steps(self):
    return [result.step for result in self.evals]


def test_it_is_evaluated_after_the_first_step_and_then_every_period():
  trial = Trial(counting(), Budget(seconds=12, eval_seconds=5))
  assert trial.steps == [1, 6, 11]
  assert [result.seconds for result in trial.evals] == [1, 6, 11]


def test_evaluations_are_not_charged():
  trial = Trial(counting(), Budget(seconds=12, eval_seconds=5))
  assert trial.time[0] == 13 + 3 * 10
  assert trial.ending.outcome == 'budget'


def test_it_stops_at_the_target_and_only_then_looks_at_the_test_split():
  trial = Trial(counting(), Budget(100, 5), target=10)
  assert trial.ending.outcome == 'reached'
  assert trial.steps[-1] == 11
  assert trial.splits == ['validation'] * 3 + ['train', 'test']


def test_what_a_submission_does_to_its_results_changes_no_evaluation():
  """Clearing them within an evaluation once made every step one."""
  honest = counting()
  seen = []

  def train(start):
    seen.append(start.evals)
    yield from honest.train(start)

  def model(state):
    for result in seen[0]:
      result.metrics.clear()
    seen[0].clear()
    return honest.model(state)

  trial = Trial(honest._replace(train=train, model=model), Budget(12, 5))
  assert trial.splits == ['validation'] * 3


def test_nothing_counts_beyond_the_budget():
  trial = Trial(counting(step_seconds=4.0), Budget(10, 3), target=3)
  assert trial.ending.outcome == 'budget'
  assert all(result.seconds <= 10 for result in trial.evals)


def test_a_loop_that_ends_is_evaluated_once_more():
  trial = Trial(counting(limit=17), Budget(100, 5))
  assert trial.ending.outcome == 'ended'
  assert trial.steps == [1, 6, 11, 16, 17]


def test_a_loop_that_ends_on_an_evaluation_is_not_evaluated_twice():
  assert Trial(counting(limit=6), Budget(100, 5)).steps == [1, 6]


def test_a_loop_that_yields_nothing_is_an_error():
  with pytest.raises(ValueError, match='yielded nothing'):
    Trial(counting(limit=0), Budget(100, 5))


def test_steps_can_take_the_place_of_seconds():
  trial = Trial(counting(), Budget(1e9, 1e9, steps=7, eval_steps=3))
  assert trial.steps == [1, 4, 7]
  assert trial.ending.outcome == 'ended'


def test_a_loss_that_is_not_finite_ends_the_trial():
  bad = counting(loss=lambda n: math.nan if n == 3 else 0.0)
  trial = Trial(bad, Budget(100, 50))
  assert trial.ending.outcome == 'diverged'
  assert 'step 3' in trial.ending.reason
  assert trial.feed.steps <= 12  # Noticed within a few steps.


def test_a_metric_that_is_not_finite_ends_the_trial():
  trial = Trial(counting(), Budget(100, 5), validation=lambda n: math.inf)
  assert trial.ending.outcome == 'diverged'


def test_a_resumed_trial_goes_on_after_its_last_evaluation():
  whole = Trial(counting(), Budget(21, 5))
  half = Trial(counting(), Budget(12, 5))
  rest = Trial(counting(), Budget(21, 5), before=half)
  assert rest.evals == whole.evals
  assert rest.feed.steps == whole.feed.steps


def test_a_trial_interrupted_after_its_target_does_not_train_again():
  done = Trial(counting(), Budget(100, 5), target=10)
  again = Trial(counting(), Budget(100, 5), target=10, before=done)
  assert again.ending == done.ending
  assert again.feed.steps == done.feed.steps


def test_a_trial_interrupted_after_its_loop_had_ended_only_ends():
  done = Trial(counting(limit=6), Budget(100, 5))
  again = Trial(counting(limit=0), Budget(100, 5), before=done)
  assert again.ending.outcome == 'ended'
  assert again.evals == done.evals


@pytest.mark.parametrize('evaluation', [1, 2, 3, 4, 5])
def test_one_that_leaves_while_it_is_evaluated_loses_nothing(evaluation):
  """It once went back to the evaluation before."""
  budget = Budget(1e9, 1e9, steps=7, eval_steps=3)
  whole = Trial(counting(), budget)
  assert len(whole.splits) == 5
  half = Trial(counting(), budget, leave_in=evaluation)
  step = half.feed.steps
  assert half.ending.outcome == 'preempted'
  assert f'Saved at step {step}.' in half.ending.reason
  assert step == [1, 4, 7, 7, 7][evaluation - 1]
  rest = Trial(counting(), budget, before=half)
  assert rest.evals == whole.evals
  assert rest.ending == whole.ending


def test_parameters_that_are_not_finite_end_the_trial():
  trial = Trial(counting(), Budget(100, 5), bad="Parameter ['w']")
  assert trial.ending.outcome == 'diverged'
  assert "Parameter ['w'] has NaN or infinite numbers" in trial.ending.reason
  assert trial.splits == []


def test_the_watch_is_never_more_than_eight_states_behind():
  seen = []
  watch = Watch(lambda n: {'loss': n}, 1, lambda step, *_: seen.append(step))
  for n in range(20):
    watch(n, 0.0, n)
    assert n - len(seen) < 8
  watch.catch_up()
  assert seen == list(range(20))


def test_scalars_are_recorded_sparsely():
  watch = Watch(lambda n: {'loss': n}, every=10)
  for n in range(35):
    watch(n, 0.0, n)
  watch.catch_up()
  assert [row.step for row in watch.take()] == [10, 20, 30]
  assert watch.take() == []


def test_a_resumed_watch_records_the_steps_of_an_uninterrupted_one():
  """It once recorded the first step after a resume beside the multiples."""
  watch = Watch(lambda n: {'loss': n}, every=10, step=14)
  for n in range(15, 35):
    watch(n, 0.0, n)
  watch.catch_up()
  assert [row.step for row in watch.take()] == [20, 30]


def test_divergence_is_told_with_its_step():
  watch = Watch(lambda n: {'loss': math.inf}, every=10)
  watch(7, 0.0, 7)
  with pytest.raises(Diverged, match='inf at step 7'):
    watch.catch_up()
