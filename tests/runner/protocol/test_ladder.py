"""A ladder of targets: what a suite may say, and where its rungs lie."""

import copy
import dataclasses
import math

import pytest

from runner.protocol.suites import suite as rules
from runner.protocol.suites.workload_spec import WorkloadSpec

SHARES = [0.0, 0.025, 0.05, 0.1, 0.2]
ROW = {
  'metric': 'error_rate',
  'better': 'lower',
  'target': 0.02,
  'start': 0.9,
  'steps': 10,
  'batch_size': 8,
  'eval_batch_size': 8,
  'evaluations': 5,
  'train_examples': 8,
}
TABLE = {
  'version': '1',
  'seed': 0,
  'cutoff': 4.0,
  'ladder': SHARES,
  'reference': 'nadamw',
  'rulesets': {'self': {'studies': 1, 'trials': 1, 'budget_factor': 1.0}},
  'workloads': {'digits': ROW},
}


def parse(row=None, **changes):
  table = copy.deepcopy(TABLE) | changes
  table['workloads']['digits'] |= row or {}
  table['workloads']['digits'] = {
    k: v for k, v in table['workloads']['digits'].items() if v is not None
  }
  return rules.parse(table, name='x', where='x.toml')


def spec(metric, better, target, start):
  facts = {'metric': metric, 'better': better, 'target': target, 'start': start}
  return dataclasses.replace(
    WorkloadSpec(workload='w', **(ROW | facts)),
    metric=metric,
  )


@pytest.mark.parametrize(
  ('metric', 'better', 'target', 'start', 'expected'),
  [
    ('error_rate', 'lower', 0.1, 0.9, 0.26),
    ('loss', 'lower', 0.47, 0.72, 0.52),
    ('wer', 'lower', 0.5, 1.0, 0.6),
    ('ssim', 'higher', 0.6, -0.1, 0.46),
    ('bleu', 'higher', 14.0, 0.0, 11.2),
    ('mean_average_precision', 'higher', 0.4, 0.1, 0.34),
    ('unknown', 'lower', -3.0, 2.0, -2.0),
    ('ppl', 'lower', 20.0, 640.0, 40.0),  # A fifth of five doublings.
  ],
)
def test_a_rung_is_a_share_of_the_way_back(
  metric, better, target, start, expected
):
  row = spec(metric, better, target, start)
  easier = row.rung(0.2)
  assert easier.target == pytest.approx(expected)
  assert row.rung(0.0) == row
  for share, harder in zip(SHARES[1:], SHARES, strict=False):
    low, high = row.rung(share), row.rung(harder)
    assert low.reached(high.target) and not high.reached(low.target)
  assert dataclasses.replace(easier, target=target) == row


def test_a_perplexity_has_the_rungs_of_its_loss():
  """A tenth of the way from 20 back to 8,000 would be 818: hardly a target."""
  loss = spec('loss', 'lower', math.log(20.0), math.log(8000.0))
  perplexity = spec('ppl', 'lower', 20.0, 8000.0)
  for share in SHARES:
    assert math.log(perplexity.rung(share).target) == pytest.approx(
      loss.rung(share).target
    )


def test_a_suite_with_a_ladder_is_read_back_as_it_was():
  suite = parse()
  assert suite.ladder == tuple(SHARES)
  targets = [rung.target for rung in suite.rungs('digits')]
  assert targets == pytest.approx([0.02, 0.042, 0.064, 0.108, 0.196])
  again = rules.parse(rules.dump(suite), name='x', where='x')
  assert again == suite and again.workloads['digits'].start == 0.9


def test_a_suite_without_a_ladder_says_nothing_of_it():
  """The hashes of plans that were made before stay as they are."""
  for changes in ({'ladder': [0.0]}, {'ladder': [0]}):
    suite = parse({'start': None}, **changes)
    assert suite.ladder == (0.0,)
    table = rules.dump(suite)
    assert 'ladder' not in table and 'start' not in table['workloads']['digits']
  assert parse().ladder != rules.load('algoperf_v06').ladder == (0.0,)


@pytest.mark.parametrize(
  'ladder',
  [
    [],
    [0.1, 0.2],
    [0.0, 0.2, 0.1],
    [0.0, 0.1, 0.1],
    [0.0, 1.0],
    [0.0, -0.1],
    [0.0, math.nan],
    [0.0, math.inf],
    [False, 0.1],
    [0.0, '0.1'],
    [0.0, [0.1]],
    [n / 100 for n in range(21)],
  ],
)
def test_a_bad_ladder_is_refused(ladder):
  with pytest.raises(rules.SuiteError, match=r'x.toml: ladder = .*must begin'):
    parse(ladder=ladder)


def test_a_ladder_is_a_list():
  with pytest.raises(rules.SuiteError, match=r'ladder = 0.1 is of the wrong'):
    parse(ladder=0.1)


def test_a_ladder_needs_to_know_where_training_begins():
  with pytest.raises(rules.SuiteError, match=r'digits lack start.*starts_only'):
    parse({'start': None})
  unscored = {'cifar/mini': ROW | {'start': 0.8}, 'mnist/mini': dict(ROW)}
  del unscored['mnist/mini']['start']
  with pytest.raises(rules.SuiteError, match='mnist/mini lack start'):
    parse(unscored=unscored)
  # Targets that are still to be set are set together with the start.
  assert parse({'start': None, 'target': None}).workloads['digits']


@pytest.mark.parametrize(
  ('row', 'message'),
  [
    ({'start': 0.02}, 'start = 0.02 must be above target = 0.02'),
    ({'start': 0.01}, 'must be above'),
    ({'better': 'higher'}, 'start = 0.9 must be below target'),
    ({'start': 1.7}, 'start = 1.7 is impossible'),
    ({'start': math.nan}, 'start = nan must be'),
  ],
)
def test_training_begins_worse_than_the_target(row, message):
  with pytest.raises(rules.SuiteError, match=message):
    parse(row)


def test_a_start_is_never_taken_from_another_workload():
  row = {'like': 'digits', 'target': 0.03}
  with pytest.raises(rules.SuiteError, match='digits/silu lack start'):
    parse(unscored={'digits/silu': row})


def test_who_extends_a_suite_has_its_ladder_and_its_starts(tmp_path):
  path = tmp_path / 'more.toml'
  path.write_text('extends = "mini"\nversion = "1"\n')
  mine, mini = rules.load(str(path)), rules.load('mini')
  assert mine.ladder == mini.ladder == tuple(SHARES)
  assert mine.workloads == mini.workloads
  path.write_text('extends = "mini"\nversion = "1"\nladder = [0.0]\n')
  assert rules.load(str(path)).ladder == (0.0,)
  held_out = rules.load('mini_variants')
  assert held_out.ladder == mini.ladder
  assert all(row.start is not None for row in held_out.workloads.values())


def test_a_relaxed_suite_has_one_target():
  """A target is easier by a share of itself, and alone: AlgoPerf's report."""
  suite = parse()
  assert suite.relaxed(0.0) == suite
  easier = suite.relaxed(0.1)
  assert easier.ladder == (0.0,)
  [only] = easier.rungs('digits')
  assert only.target == pytest.approx(0.022)
