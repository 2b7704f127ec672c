"""The learning rates of a whole trial are recorded when it begins."""

import optax
import pytest

from runner.protocol import layout, storage
from runner.protocol.records import schedules
from runner.protocol.timing import accounts
from runner.trial.allowance import SLACK, Allowance
from runner.trial.clock import Clock
from runner.trial.hosts import whole_schedule
from submissions.algorithms import nadamw
from submissions.submission import Task
from workloads.images.digits import Digits


def recorded(folder, schedule, steps=1000, now=lambda: 0.0):
  """Record a schedule; return the charged seconds of that."""
  clock, allowance = Clock(now), Allowance(now)
  clock.limit(allowance)
  with clock.account(accounts.TRAIN):
    whole_schedule.record(
      folder, schedule, steps, clock=clock, allowance=allowance
    )
  return clock.charged()


def read(folder):
  return schedules.parse(storage.read_json(folder / layout.SCHEDULE))


def test_rates_are_thinned_shares_of_the_peak(tmp_path):
  schedule = optax.warmup_cosine_decay_schedule(0.0, 0.006, 100, 1000)
  assert recorded(tmp_path, schedule) == 0.0
  found = read(tmp_path)
  assert len(found.steps) == len(found.rates) == schedules.MOST
  assert (found.steps[0], found.steps[-1]) == (1, 1000)
  assert max(found.rates) == 1.0
  for step, rate in zip(found.steps[::20], found.rates[::20], strict=True):
    assert rate == pytest.approx(float(schedule(step - 1)) / 0.006, abs=2e-2)


def test_short_trials_have_all_rates(tmp_path):
  recorded(tmp_path, lambda step: 0.5 + 0 * step, steps=7)
  assert read(tmp_path).steps == (1, 2, 3, 4, 5, 6, 7)
  assert read(tmp_path).rates == (1.0,) * 7


def _raising(step):
  raise RuntimeError(step)


@pytest.mark.parametrize(
  'schedule',
  [
    None,
    _raising,
    lambda step: 0.0 * step,
    lambda step: step / 0.0,
    lambda step: (step, step),
  ],
)
def test_what_is_no_schedule_is_not_recorded(tmp_path, schedule):
  recorded(tmp_path, schedule)
  assert not (tmp_path / layout.SCHEDULE).exists()


def test_work_in_a_schedule_is_charged(tmp_path):
  """The harness calls other people's code there, on a free account."""
  time = [0.0]

  def training(step):
    time[0] += 10.0
    return 0.1 + 0 * step

  charged = recorded(tmp_path, training, now=lambda: time[0])
  assert charged == pytest.approx(10.0 - whole_schedule.FREE - SLACK)


def test_a_resumed_trial_keeps_its_schedule(tmp_path):
  recorded(tmp_path, lambda step: 1.0 + 0 * step, steps=3)
  recorded(tmp_path, lambda step: 1.0 + 1.0 * step, steps=3)
  assert read(tmp_path).rates == (1.0,) * 3


def test_submissions_of_optax_know_theirs():
  task = Task(Digits(), steps=100, batch_size=8, train_examples=100)
  point = nadamw.SELF | {'learning_rate': 0.006, 'warmup': 0.1}
  made = nadamw.build(task, **point)
  assert made.schedule is not None
  assert float(made.schedule(10)) == pytest.approx(0.006)
