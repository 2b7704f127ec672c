"""Bands of ranks: what resampling cannot tell apart."""

import itertools
import math

import numpy as np
import pytest

from scoring.rank import bands, bootstrap
from scoring.report import sentences
from tests.scoring.rank.test_bootstrap import scored

INF = math.inf


def compared(*shares):
  """Board of a, b, c ... in this order, and a spread with these shares.

  Args:
    *shares: (better place, worse place, share of draws in which it is better);
      others are 1.
  """
  count = 4
  found = scored(
    {(name, 'w'): [10.0 + n] * 2 for n, name in enumerate('abcd'[:count])}
  )
  faster = np.triu(np.ones((count, count)), 1)
  for better, worse, share in shares:
    faster[better, worse] = share
  faster += np.tril(1 - faster.T, -1) + np.eye(count) / 2
  return found, bootstrap.bootstrap(found, draws=4)._replace(faster=faster)


def texts(*shares):
  return list(map(str, bands.bands(*compared(*shares)).values()))


def test_entries_that_are_apart_have_single_ranks():
  assert texts() == ['1', '2', '3', '4']
  assert bands.groups(*compared()) == []


def test_neighbours_in_doubt_share_a_band():
  assert texts((1, 2, 0.9)) == ['1', '2–3', '2–3', '4']
  assert bands.groups(*compared((1, 2, 0.9))) == [['b', 'c']]
  assert texts((1, 2, 0.95)) == ['1', '2', '3', '4']


def test_bands_may_overlap():
  shares = ((0, 1, 0.8), (1, 2, 0.8))
  assert texts(*shares) == ['1–2', '1–3', '2–3', '4']
  assert bands.groups(*compared(*shares)) == [['a', 'b'], ['b', 'c']]


def test_a_pair_in_doubt_puts_those_between_in_doubt():
  """c may pass a, so nothing is known of b's place beside them."""
  assert texts((0, 2, 0.8)) == ['1–3', '1–3', '1–3', '4']
  assert bands.groups(*compared((0, 2, 0.8))) == [['a', 'b', 'c']]


@pytest.mark.parametrize('seed', range(20))
def test_bands_never_contradict_each_other(seed):
  rng = np.random.default_rng(seed)
  pairs = itertools.combinations(range(4), 2)
  found = list(
    bands.bands(
      *compared(*((a, b, rng.choice([0.6, 0.95])) for a, b in pairs))
    ).values()
  )
  ranks = range(1, 5)
  assert all(
    b.first <= rank <= b.last for rank, b in zip(ranks, found, strict=True)
  )
  assert found == sorted(found)
  assert [b.last for b in found] == sorted(b.last for b in found)
  for a, b in itertools.product(ranks, ranks):
    one, other = found[a - 1], found[b - 1]
    assert (one.first <= b <= one.last) == (other.first <= a <= other.last)


def test_one_study_has_no_bands_and_nobody_leads():
  found = scored({('x', 'w'): [10], ('y', 'w'): [99]})
  assert bands.bands(found, None) == {}
  assert bands.groups(found, None) == [['x', 'y']]
  text = sentences.summary(found, None)
  assert text.startswith('x has the highest score of 1.000, reaching 1 of 1')
  assert 'only one study' in text and 'lead' not in text
  drawn = bootstrap.bootstrap(found, 'workloads', draws=10)
  assert list(map(str, bands.bands(found, drawn).values())) == ['1', '2']


def test_equal_scores_are_not_apart():
  found = scored({('x', 'w'): [10] * 2, ('y', 'w'): [10] * 2})
  spread = bootstrap.bootstrap(found, draws=10)
  assert list(map(str, bands.bands(found, spread).values())) == ['1–2'] * 2
  assert sentences.summary(found, spread).startswith(
    'x and y lead: ranks 1 to 2 cannot be told apart. The highest score of '
    '1.000, reaching 1 of 1 target, is that of x and y.'
  )


def test_headlines_say_no_more_than_the_bands():
  assert sentences.summary(*compared()).startswith('a leads with a score of 1')
  assert sentences.summary(*compared((0, 1, 0.6))).startswith(
    'a and b lead: ranks 1 to 2 cannot be told apart. '
  )


def test_a_cell_with_one_study_is_mentioned():
  found = scored(
    {('x', 'u'): [10] * 2, ('x', 'v'): [9] * 2, ('y', 'u'): [30] * 2,
     ('y', 'v'): [40]}
  )  # fmt: skip
  spread = bootstrap.bootstrap(found, draws=10)
  said = sentences.summary(found, spread)
  assert '1 cell has one study, and its noise is not in the draws.' in said
