"""The clock, on times we make up."""

import itertools

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, strategies as st

from runner.guard.company import Company
from runner.protocol.timing import accounts
from runner.trial import compile_time, devices
from runner.trial.clock import Clock


def scripted(*times):
  """A clock that reads these times in turn."""
  return Clock(iter(times).__next__)


def test_every_second_is_on_one_account():
  c = scripted(0.0, 3.0, 10.0, 11.0, 20.0)
  with c.account('train'):
    pass
  with c.account('evaluate'):
    pass
  spent = c.accounts()
  assert (spent['setup'], spent['train'], spent['evaluate']) == (4.0, 7.0, 9.0)


def test_an_inner_account_stops_the_outer_one():
  c = scripted(0.0, 0.0, 2.0, 5.0, 6.0)
  with c.account('train'), c.account('data'):
    pass
  assert c.accounts()['train'] == 3.0
  assert c.accounts()['data'] == 3.0
  assert c.charged() == 6.0


@given(
  st.lists(st.sampled_from(accounts.WORK + accounts.FREE), max_size=12),
  st.randoms(use_true_random=False),
)
def test_the_accounts_add_up_to_the_wall_time(names, random):
  """Whatever is opened in whatever order, no second is lost or doubled."""
  time = [0.0]

  def now():
    time[0] += random.random()
    return time[0]

  c = Clock(now, started=0.0)

  def visit(names):
    if names:
      with c.account(names[0]):
        visit(names[1:] if random.random() < 0.5 else [])
      visit(names[1:])

  visit(names)
  with c.account('record'):
    pass
  assert c.own_seconds() == pytest.approx(time[0])


def test_leaving_a_charged_account_waits_for_the_device_on_its_time():
  time = [0.0]

  def wait():
    time[0] += 5.0

  c = Clock(lambda: time[0], wait)
  with c.account('train'):
    with c.account('data'):  # Charged as well: nothing waits in between.
      pass
    assert time[0] == 0.0
  assert c.accounts()['train'] == 5.0
  with c.account('evaluate'):
    pass
  assert time[0] == 5.0


def test_compilation_is_told_apart_and_nesting_counts_once():
  time = [0.0]
  c = Clock(lambda: time[0])
  with c.account('train'):
    time[0] = 2.0
    c.made('trace', 1.0)  # Traced within
    time[0] = 4.0
    c.made('trace', 3.5)  # what this tells of.
    time[0] = 10.0
  assert c.accounts()['trace'] == 3.5
  assert c.accounts()['train'] == 6.5
  assert c.charged() == 10.0


@pytest.mark.parametrize(('told', 'compile'), [(-5.0, 0.0), (1e9, 4.0)])
def test_compilation_cannot_be_longer_than_its_account_or_negative(
  told, compile
):
  """JAX asks time.time, which a step of the system's clock changes."""
  time = [0.0]
  c = Clock(lambda: time[0])
  with c.account('train'):
    time[0] = 4.0
    c.made('compile', told)
  assert c.accounts()['compile'] == compile
  assert c.charged() == 4.0


def test_compiling_for_an_evaluation_is_free():
  time = [0.0]
  c = Clock(lambda: time[0])
  with c.account('evaluate'):
    time[0] = 2.0
    c.made('compile', 1.0)
  assert c.charged() == 0.0


def test_jax_tells_the_clock_what_it_compiles():
  c = Clock()
  with compile_time.noticed(c, Company()), c.account('train'):
    jax.jit(lambda x: jnp.sin(x) @ jnp.cos(x))(jnp.ones((3, 3)))
  spent = c.accounts()
  assert spent['compile'] > 0 and spent['trace'] > 0
  assert spent['compile'] + spent['trace'] <= c.charged()


def test_compiling_within_tracing_stays_compiling():
  time = [0.0]
  c = Clock(lambda: time[0])
  with c.account('train'):
    time[0] = 2.0
    c.made('compile', 1.0)
    time[0] = 5.0
    c.made('trace', 4.0)
  spent = c.accounts()
  assert (spent['compile'], spent['trace'], spent['train']) == (1.0, 3.0, 1.0)


FREE = accounts.from_json(
  {'charged': ['trace', 'data', 'train', 'view'], 'free_compile': 10.0}
)


def test_a_suite_may_leave_compiling_free_up_to_a_bound():
  time = [0.0]
  c = Clock(lambda: time[0])
  c.charge(FREE)
  with c.account('train'):
    time[0] = 9.0
    c.made('compile', 8.0)
    assert c.charged() == 1.0
    time[0] = 16.0
    c.made('compile', 6.0)
    time[0] = 17.0
  spent = c.accounts()
  assert (spent['compile'], spent['train']) == (14.0, 3.0)
  assert spent['overrun'] == 4.0
  assert c.charged() == 7.0
  assert c.own_seconds() == 17.0


def test_the_bound_holds_for_all_attempts_at_a_trial():
  c = Clock(lambda: 0.0)
  c.charge(FREE)
  c.restore({'compile': 9.0, 'train': 1.0})
  with c.account('train'):
    c.owe('compile', 3.0)
  assert c.charged() == 1.0 + 2.0
  again = Clock(lambda: 0.0)
  again.charge(FREE)
  again.restore(c.accounts())
  with again.account('train'):
    pass
  assert again.charged() == 3.0


def test_a_resumed_clock_goes_on_where_it_stopped():
  c = Clock(itertools.count().__next__)
  c.restore({'train': 100.0, 'evaluate': 50.0})
  assert c.charged() == 100.0
  assert c.own_seconds() == 0.0


def test_repeated_work_is_free_up_to_what_it_had_cost():
  time = [0.0]
  c = Clock(lambda: time[0])
  with c.account('restore'):
    with c.repeated({'train': 0.5, 'trace': 3.0}):
      time[0] += 6.0
      c.made('trace', 2.0)
    time[0] += 1.0
  spent = c.accounts()
  assert spent['train'] == 4.0 - 0.5
  assert spent['trace'] == 0.0
  assert spent['restore'] == 1.0 + 0.5 + 2.0
  assert c.charged() == 3.5
  assert c.own_seconds() == 7.0


def test_work_dispatched_just_before_an_evaluation_is_charged():
  """The leak of published boards: unfinished work was done on nobody's time.

  The work is not in any state that is handed over; it is only kept.
  """
  slow = jax.jit(
    lambda x: jax.lax.fori_loop(0, 30, lambda _, x: x @ x / 500.0, x)
  )
  x = jnp.ones((500, 500))
  slow(x).block_until_ready()
  c = Clock(wait=devices.wait)
  with c.account('train'):
    kept = slow(x)  # A quarter of a second on an idle core.
  assert kept.is_ready()
