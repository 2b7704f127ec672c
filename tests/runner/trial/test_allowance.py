"""Free work has a bound, and what goes beyond it is charged."""

import pytest

from runner.protocol.timing import accounts
from runner.trial import allowance as allowances
from runner.trial.allowance import SLACK, Allowance
from runner.trial.clock import Clock


class Bench:
  """A clock with an allowance; both count the same made-up seconds."""

  def __init__(self, counted=accounts.FREE):
    self.now = 0.0
    self.clock = Clock(lambda: self.now, started=0.0)
    self.allowance = Allowance(lambda: self.now, counted)

  def limit(self):
    self.allowance = Allowance(lambda: self.now, self.allowance._counted)
    self.clock.limit(self.allowance)

  def work(self, account, seconds):
    with self.clock.account(account):
      self.now += seconds

  def overrun(self):
    return self.clock.accounts()[accounts.OVERRUN]


def test_set_up_before_the_limit_is_free():
  b = Bench()
  b.now = 100.0
  b.limit()
  b.work('train', 1.0)
  assert b.clock.charged() == 1.0


def test_granted_work_is_free_and_the_rest_is_charged_once():
  b = Bench()
  b.limit()
  b.work('train', 1.0)
  b.allowance.grant(2.0)
  b.work('evaluate', 2.0 + SLACK + 3.0)
  b.work('train', 1.0)
  b.work('train', 1.0)
  assert b.overrun() == pytest.approx(3.0)
  assert b.clock.charged() == pytest.approx(6.0)


def test_what_one_evaluation_saves_is_granted_to_the_next():
  b = Bench()
  b.limit()
  for seconds in (1.0, 3.0):
    b.allowance.grant(2.0)
    b.work('evaluate', seconds)
    b.work('train', 1.0)
  assert b.overrun() == 0.0


@pytest.mark.parametrize('account', accounts.FREE)
def test_work_on_any_free_account_inside_of_training_is_charged(account):
  """A submission that got hold of the clock hid its training like this."""
  b = Bench()
  b.limit()
  with b.clock.account('train'):
    b.now += 1.0
    b.work(account, 40.0)
    b.now += 1.0
  assert b.clock.charged() == pytest.approx(42.0 - SLACK)


def test_only_counted_accounts_count():
  b = Bench(counted=('evaluate',))
  b.limit()
  b.work('checkpoint', 40.0)
  b.work('train', 1.0)
  assert b.overrun() == 0.0
  b.work('evaluate', 40.0)
  b.work('train', 1.0)
  assert b.overrun() == pytest.approx(40.0 - SLACK)


def test_charged_overruns_are_no_seconds_of_the_process():
  b = Bench()
  b.limit()
  b.work('evaluate', 40.0)
  b.work('train', 1.0)
  assert b.clock.own_seconds() == pytest.approx(41.0)
  assert sum(b.clock.accounts().values()) == pytest.approx(81.0 - SLACK)


def test_a_file_is_free_by_its_bytes():
  import numpy as np

  few, many = np.zeros(10, np.float32), np.zeros(20_000_000, np.float32)
  assert allowances.storing([few]) == pytest.approx(allowances.FILE, rel=1e-3)
  assert allowances.storing([many]) == pytest.approx(
    allowances.FILE + 8e7 * allowances.BYTE
  )
