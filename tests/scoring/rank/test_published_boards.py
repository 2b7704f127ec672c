"""AlgoPerf's published boards, from their public logs, to the last digit."""

import pathlib
import tarfile

import numpy as np
import pandas as pd
import pytest

from scoring.load import results
from scoring.rank import alternatives, board, replay

DATA = pathlib.Path(__file__).parents[4] / 'shared/data/official_boards'
BOARDS = {
  'v05_self': ('algoperf_v05', 'self'),
  'v06_external': ('algoperf_v06', 'external'),
}

pytestmark = pytest.mark.skipif(
  not DATA.exists(), reason='The logs are not here.'
)


@pytest.fixture(scope='module', params=BOARDS)
def name(request):
  return request.param


@pytest.fixture(scope='module')
def logs(name, tmp_path_factory):
  folder = tmp_path_factory.mktemp(name)
  with tarfile.open(DATA / f'{name}.tar.xz') as archive:
    archive.extractall(folder, filter='data')
  return results.read(folder, *BOARDS[name])


def official(name, what):
  return pd.read_csv(DATA / f'{what}.csv'.format(name), index_col=0)


def test_the_published_scores(name, logs):
  known = official(name, 'comparison_{}_scores')
  for integral, column in (
    ('published', 'official_trapezoid100'),
    ('exact', 'exact_integral'),
  ):
    scored = board.make(logs, integral)
    found = {s.submission: s.score for s in scored.standings}
    assert found.keys() == set(known.index)
    for submission, value in found.items():
      assert value == pytest.approx(known.at[submission, column], abs=1e-9)
  published = board.make(logs, 'published')
  for standing in published.standings:
    # Printed with four decimals, and once with three.
    assert standing.score == pytest.approx(
      known.at[standing.submission, 'published'], abs=5.1e-5
    )


def test_the_official_times_to_target(name, logs):
  times = official(name, 'official_{}_times_to_target')
  found = board.make(logs).times
  names = [workload.replace('/', '_') for workload in logs.rules.workloads]
  table = pd.DataFrame(found.cells[0], found.submissions, names)
  table = table.loc[times.index, times.columns]
  np.testing.assert_allclose(table, times, rtol=1e-12, equal_nan=True)


def test_the_official_profiles(name, logs):
  known = official(name, 'official_{}_profile')
  scored = board.make(logs)
  from scoring.rank import score

  qualified = scored.qualified(scored.times.cells)[0]
  found = score.profile(qualified, known.columns.astype(float))
  rows = [scored.times.submissions.index(s) for s in known.index]
  np.testing.assert_allclose(found[rows], known, atol=1e-9)


def test_both_readings_give_these_scores(name, logs):
  """Logs where the least time and the fewest evaluations agree."""
  known = official(name, 'comparison_{}_scores')
  other = alternatives.differences(logs, board.make(logs, 'published'))
  assert {d.departure.rule for d in other} == {'integral'}
  for difference in other:
    assert difference.other == pytest.approx(
      known.at[difference.submission, 'mintime_exact'], abs=1e-9
    )


def test_the_published_speedups(name, logs):
  """Theirs are times over the baseline's, where a miss takes the v0.5 budget
  and a second; ours are the reciprocals, with each board's own budgets."""
  if name != 'v05_self':
    pytest.skip('Computed with the budgets of another board.')
  known = {
    'schedule_free_adamw': 0.9224,
    'nadamw_sequential': 1.9244,
    'adamg': 3.9417,
  }
  scored = board.make(logs)
  found = {
    s.submission: s for s in alternatives.speedups(logs, scored, 'baseline')
  }
  for submission, ratio in known.items():
    assert 1 / found[submission].geometric == pytest.approx(ratio, abs=2e-4)


def test_pruning_published_races_moves_nothing(logs):
  for integral in ('exact', 'published'):
    found = replay.replay(logs, integral)
    pruned = found.cheaper[-1]
    assert pruned.what == 'exact pruning'
    assert pruned.largest == 0 and pruned.moved == 0
    assert pruned.amount < 0.8 * found.amount
    assert sum(found.pruned.values()) == pytest.approx(
      found.cheaper[0].amount - pruned.amount
    )
