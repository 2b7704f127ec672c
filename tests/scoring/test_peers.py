"""Evaluations that cost more than those of others are doubted."""

import pathlib

import pytest

from runner.protocol.plan import TrialKey
from scoring import peers
from scoring.load import evals
from scoring.load.details import Details
from scoring.load.trial import Trial


def one(name, spent, workload='w'):
  key = TrialKey(name, workload, 0, 1)
  trial = Trial(
    key, pathlib.Path(name), 'ended', '', 1.0, evals.NONE, (), False, 1.0,
    {}, [], frozenset({'cpu'}),
  )  # fmt: skip
  return trial, Details({}, '', {}, {}, None, 0, 0, [], tuple(spent))


HONEST = [one(name, (0.9, 1.1, 1.0)) for name in 'abc']


@pytest.mark.parametrize(
  ('spent', 'doubted'),
  [
    ((4.0, 4.2), True),
    ((1.6, 1.7), False),
    ((1.0, 9.0, 1.1), False),
    ((), False),
  ],
)
def test_who_stands_out_is_doubted(spent, doubted):
  found = list(peers.unusual([*HONEST, one('x', spent)]))
  assert [trial.key.submission for trial, _ in found] == ['x'] * doubted
  if doubted:
    assert 'took 4.10 s of processor time' in found[0][1]


def test_few_others_are_no_measure():
  assert list(peers.unusual([*HONEST[:2], one('x', (9.0,))])) == []
  others = [one(name, (9.0,), 'other') for name in 'abc']
  assert list(peers.unusual([*others, one('x', (1.0,))])) == []
