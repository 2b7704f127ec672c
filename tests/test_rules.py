"""Suites: what they may say, and what they are told when they say else."""

import copy
import math

import pytest

import submissions
import workloads
from runner import rules

SUITES = sorted(p.stem for p in rules.CONFIGS.glob('suites/*.toml'))
TABLE = {
  'version': '1',
  'seed': 0,
  'cutoff': 4.0,
  'reference': 'nadamw',
  'rulesets': {'self': {'studies': 1, 'trials': 1, 'budget_factor': 1.0}},
  'workloads': {
    'digits': {
      'metric': 'error_rate',
      'better': 'lower',
      'target': 0.02,
      'steps': 10,
      'batch_size': 8,
      'eval_batch_size': 8,
      'evaluations': 5,
      'train_examples': 8,
    }
  },
}


def parse(change=lambda table: None):
  table = copy.deepcopy(TABLE)
  change(table)
  return rules.parse(table, 'x', 'x.toml')


@pytest.mark.parametrize('name', SUITES)
def test_every_suite_names_what_exists(name):
  suite = rules.load(name)
  assert suite.workloads.keys() <= set(workloads.names())
  assert suite.reference in submissions.names()


@pytest.mark.parametrize('name', SUITES)
def test_every_target_says_where_it_comes_from(name):
  import tomllib

  table = tomllib.loads(rules.find(name).read_text())
  for row in table['workloads'].values():
    assert {'command', 'date', 'values'} <= row['origin'].keys()


def test_rules_survive_being_written_and_read():
  suite = parse()
  assert rules.parse(rules.dump(suite), 'x', 'x') == suite


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda t: t.update(sede=1), "unknown key 'sede'. Did you mean 'seed'"),
    (lambda t: t.pop('cutoff'), 'lacks cutoff'),
    (
      lambda t: t['workloads']['digits'].update(taget=1),
      r"workloads.\"digits\"\] unknown key 'taget'. Did you mean 'target'",
    ),
    (
      lambda t: t['workloads']['digits'].update(better='less'),
      "better = 'less'; say 'lower' or 'higher'",
    ),
    (lambda t: t['workloads']['digits'].update(steps='many'), 'wrong type'),
    (lambda t: t['workloads']['digits'].update(steps=0), 'must be positive'),
    (lambda t: t['workloads'].update(digits=3), 'must be a table'),
  ],
)
def test_a_wrong_suite_is_explained(change, message):
  with pytest.raises(rules.RulesError, match=message):
    parse(change)


def test_an_unknown_suite_is_explained():
  with pytest.raises(rules.RulesError, match="Did you mean 'mini'"):
    rules.load('minni')


def test_a_file_that_is_not_toml_is_explained(tmp_path):
  path = tmp_path / 'bad.toml'
  path.write_text('version = ')
  with pytest.raises(rules.RulesError, match='not valid TOML'):
    rules.load(str(path))


@pytest.mark.parametrize('better', ['lower', 'higher'])
def test_nan_never_reaches_a_target(better):
  row = parse().workloads['digits']._replace(better=better)
  assert not row.reached(math.nan)
  assert not row._replace(target=None).reached(0.0)


def test_a_target_counts_when_it_is_met_exactly():
  row = parse().workloads['digits']
  assert row.reached(0.02)
  assert row._replace(better='higher').reached(0.02)
