"""One's own entries beside a board: only under the same rules."""

import json

import pytest

from scoring.load import beside
from scoring.load.plan import ReadError
from tests.support import made_results as made

WORKLOAD = 'criteo1tb/mini'


def raced(folder, name, **rules):
  table = json.loads(json.dumps(made.RULES)) | rules
  row = table['workloads'][WORKLOAD] | {'start': 0.69}
  table['workloads'] = {WORKLOAD: row}
  trials = made.write_plan(
    folder, [(name, WORKLOAD, 0, 1)], table, {WORKLOAD: 100.0}
  )
  made.write_trial(folder, trials[0], [(5.0, 0.7), (9.0, 0.1)], 'reached')
  return folder


def test_entries_of_the_same_rules_are_joined(tmp_path):
  mine, other = raced(tmp_path / 'mine', 'x'), raced(tmp_path / 'other', 'y')
  found = beside.joined(mine, other, 'steps', None)
  assert {trial.key.submission for trial in found.trials} == {'x', 'y'}


@pytest.mark.parametrize(
  'name, value', [('ladder', [0.0, 0.5]), ('cutoff', 9.0)]
)
def test_rules_of_the_suite_must_be_the_same(tmp_path, name, value):
  """The command once ended in a traceback if the ladders differed."""
  mine = raced(tmp_path / 'mine', 'x', **{name: value})
  other = raced(tmp_path / 'other', 'y')
  with pytest.raises(ReadError, match=f'has {name} = .*--against=BOARD'):
    beside.joined(mine, other, 'steps', None)
