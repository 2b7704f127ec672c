"""A suite says in two keys what it charges; unclear ones are refused."""

import pytest

from runner.protocol.timing import accounts

FREE = {'charged': ['trace', 'data', 'train', 'view'], 'free_compile': 9}
ALL = {'charged': ['trace', 'compile', 'data', 'train', 'view']}


def test_without_a_word_all_work_is_charged():
  assert (
    accounts.from_json({'seed': 1}) == accounts.ALL == accounts.from_json(ALL)
  )
  assert accounts.ALL.to_json() == {}


def test_what_is_free_comes_back():
  found = accounts.from_json(FREE)
  assert accounts.from_json(found.to_json()) == found
  assert not found.compiling and found.free_compile == 9.0
  spent = dict.fromkeys(accounts.WORK + accounts.FREE, 1.0)
  assert found.of(spent) == 5.0  # Overrun is always charged.
  assert accounts.ALL.of(spent) == 6.0


def test_a_suite_may_charge_again_what_the_suite_that_it_extends_does_not():
  assert accounts.from_json(FREE | ALL) == accounts.ALL


@pytest.mark.parametrize(
  ('said', 'why'),
  [
    ({'free_compile': 9}, 'Remove it'),
    ({'charged': FREE['charged']}, 'set free_compile'),
    (FREE | {'charged': ['train']}, 'must list trace, data, train, view'),
    (FREE | {'charged': 'train'}, 'must list'),
    (FREE | {'charged': [*FREE['charged'], 'view']}, 'once each'),
    (FREE | {'charged': [*FREE['charged'], 'evaluate']}, 'must list'),
    (FREE | {'charged': [*FREE['charged'], 'overrun']}, 'must list'),
    (FREE | {'charged': [['train']]}, 'must list'),
  ],
)
def test_what_is_not_clear_is_refused(said, why):
  with pytest.raises(ValueError, match=why):
    accounts.from_json(said)
