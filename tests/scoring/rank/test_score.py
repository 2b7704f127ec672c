"""Scores against first principles and boards worked by hand."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from runner.protocol import quantities
from runner.protocol.suites.suite import WorkloadSpec
from scoring.load import evals, results as read
from scoring.rank import board, score
from scoring.report import formats
from tests.support import made_results as made

INF, NAN = math.inf, math.nan
ROW = WorkloadSpec(
  workload='w',
  metric='loss',
  better='lower',
  target=0.5,
  steps=100,
  batch_size=8,
  eval_batch_size=8,
  train_examples=25,
  evaluations=8,
)
# The time to w's target, and all that is needed to make a race of it.
RULES = made.RULES | {
  'workloads': {
    name: made.RULES['workloads']['criteo1tb/mini'] | {'target': 0.5}
    for name in ('w', 'family/variant')
  }
}
# Rows x, y and z, workloads a and b.
TIMES = np.array([[10.0, 8.0], [25.0, 4.0], [INF, 15.9]])

seconds = st.floats(0.1, 1e5) | st.just(INF)
tables = st.integers(1, 4).flatmap(
  lambda width: st.lists(
    st.lists(seconds, min_size=width, max_size=width), min_size=1, max_size=5
  )
)


def race(out, hits, at=1.0):
  """Reads a made race; hits: {(submission, workload, study, trial): second}.

  A hit of None is a miss, one of a string such an outcome, at a second; but
  'missing' is planned and not run.
  """
  budgets = {'w': 100.0, 'family/variant': 100.0}
  plan = made.write_plan(out, list(hits), RULES, budgets)
  for trial, hit in zip(plan, hits.values(), strict=True):
    if hit == 'missing':
      continue
    if isinstance(hit, str):
      made.write_trial(out, trial, [(at, 0.9)], hit, 'So.', budget=100.0)
      continue
    values = [(1.0, 0.9), (90.0, 0.7) if hit is None else (hit, 0.4)]
    outcome = 'budget' if hit is None else 'reached'
    made.write_trial(out, trial, values, outcome, budget=100.0)
  return board.make(read.read(out))


def standing(scored, name):
  return next(s for s in scored.standings if s.submission == name)


def test_a_board_worked_by_hand():
  # a: the fastest takes 10. b: 4. Cutoff 4: credit (4 - ratio) / 3.
  x, y, z = score.score(TIMES, 4.0)
  assert x == pytest.approx((1 + (4 - 8 / 4) / 3) / 2)
  assert y == pytest.approx(((4 - 2.5) / 3 + 1) / 2)
  assert z == pytest.approx((0 + (4 - 15.9 / 4) / 3) / 2)


def test_beyond_the_cutoff_nothing_is_added():
  times = np.array([[1.0], [4.0], [4.1]])
  assert score.score(times, 4.0).tolist() == [1.0, 0.0, 0.0]


@settings(max_examples=50)
@given(tables)
def test_the_score_is_the_area_under_the_profile(rows):
  times = np.array(rows)
  taus = np.linspace(1.0, 4.0, 1501)
  middles = (taus[1:] + taus[:-1]) / 2
  areas = score.profile(times, middles).mean(axis=1)
  # Each step of a profile is off by at most half a cell of the grid.
  np.testing.assert_allclose(score.score(times, 4.0), areas, atol=1 / 1500)


@settings(max_examples=50)
@given(tables, st.sampled_from([0.25, 2.0, 3600.0]))
def test_the_unit_of_time_does_not_matter(rows, factor):
  times = np.array(rows)
  np.testing.assert_allclose(
    score.score(times, 4.0), score.score(times * factor, 4.0), atol=1e-12
  )


@settings(max_examples=50)
@given(tables, st.data(), st.floats(0.01, 1.0))
def test_being_faster_never_costs(rows, data, factor):
  times = np.array(rows)
  who = data.draw(st.integers(0, len(rows) - 1))
  where = data.draw(st.integers(0, len(rows[0]) - 1))
  quicker = times.copy()
  now = times[who, where]
  quicker[who, where] = 1e5 * factor if math.isinf(now) else now * factor
  before, after = score.score(times, 4.0), score.score(quicker, 4.0)
  assert after[who] >= before[who] - 1e-12
  others = [n for n in range(len(rows)) if n != who]
  assert (after[others] <= before[others] + 1e-12).all()


def test_a_workload_nobody_reaches_adds_nothing_for_anybody():
  wider = np.pad(TIMES, ((0, 0), (0, 1)), constant_values=INF)
  np.testing.assert_allclose(
    score.score(wider, 4.0) * 3, score.score(TIMES, 4.0) * 2
  )


def test_the_median_of_studies_of_the_fastest_trial(tmp_path):
  hits = {
    ('x', 'w', 0, 1): 50.0,
    ('x', 'w', 0, 2): 30.0,  # The study's time.
    ('x', 'w', 1, 1): None,
    ('x', 'w', 1, 2): 80.0,
    ('x', 'w', 2, 1): 40.0,  # The median.
    ('x', 'w', 2, 2): None,
    ('x', 'family/variant', 0, 1): None,
  }
  cell = standing(race(tmp_path, hits), 'x').cells['w']
  assert cell.studies == {0: 30.0, 1: 80.0, 2: 40.0}
  assert cell.seconds == 40.0
  assert cell.hits == 3


@pytest.mark.parametrize(
  ('studies', 'median'),
  [
    ([10.0, 30.0], 20.0),
    ([10.0, INF], INF),
    ([10.0, 20.0, 40.0, INF], 30.0),
    ([10.0, 20.0, INF, INF], INF),
    ([10.0, 20.0, INF], 20.0),
    ([10.0, INF, INF], INF),
    ([10.0, 10.0, NAN], NAN),
  ],
)
def test_a_missed_study_takes_part_in_the_median(studies, median):
  found = score.medians(np.array(studies))
  assert found == pytest.approx(median, nan_ok=True)


def test_equal_scores_share_a_rank():
  scores = score.score(np.array([[1.0, 2.0], [2.0, 1.0], [3.0, INF]]), 4.0)
  assert score.ranks(scores, np.full(3, True)).tolist() == [1, 1, 3]
  # Who has open cells has no rank, and takes none away.
  ranks = score.ranks(scores, np.array([False, True, True]))
  np.testing.assert_array_equal(ranks, [NAN, 1, 2])


@pytest.mark.parametrize('outcome', ['oom', 'crashed', 'preempted', 'missing'])
def test_an_open_cell_is_not_ranked(tmp_path, outcome):
  hits = {
    ('x', 'w', 0, 1): 10.0,
    ('x', 'w', 1, 1): outcome,
    ('x', 'family/variant', 0, 1): 10.0,
    ('y', 'w', 0, 1): 20.0,
    ('y', 'family/variant', 0, 1): 20.0,
  }
  scored = race(tmp_path, hits)
  first, last = scored.standings
  assert (first.submission, first.rank) == ('y', 1)
  assert (last.rank, last.open_cells, last.reached) == (None, 1, 1)
  assert (last.score, last.best_case) == (0.5, 1.0)
  assert scored.provisional
  assert last.cells['w'].state == 'open'
  # What is open is not the fastest of anything.
  assert first.cells['w'].ratio == 1.0


@pytest.mark.parametrize('outcome', ['budget', 'diverged', 'ended'])
def test_outcomes_of_the_algorithm_are_misses(tmp_path, outcome):
  hits = {('x', 'w', 0, 1): outcome, ('x', 'family/variant', 0, 1): 10.0}
  found = standing(race(tmp_path, hits), 'x')
  assert (found.rank, found.score) == (1, 0.5)
  assert found.cells['w'].state == 'missed'


def test_an_invalid_trial_is_open_though_it_reached_the_target(tmp_path):
  keys = [('x', 'w', 0, 1)]
  [trial] = made.write_plan(tmp_path, keys, RULES, {'w': 100.0})
  made.write_trial(tmp_path, trial, [(5.0, 0.1)], 'invalid', 'Residual 3 %.')
  cell = board.make(read.read(tmp_path)).standings[0].cells['w']
  assert cell.state == 'open'
  assert cell.open == ['Study 0, trial 1: invalid. Residual 3 %.']


def test_a_workload_that_is_not_planned_or_has_no_target_is_open(tmp_path):
  rules = RULES | {'workloads': dict(RULES['workloads'])}
  row = dict(rules['workloads']['w'])
  del row['target']
  rules['workloads']['w'] = row
  keys = [('x', 'w', 0, 1)]
  [trial] = made.write_plan(tmp_path, keys, rules, {'w': 100.0})
  made.write_trial(tmp_path, trial, [(5.0, 0.1)], 'budget')
  cells = board.make(read.read(tmp_path)).standings[0].cells
  assert cells['w'].open == ['The workload has no target yet.']
  assert cells['family/variant'].open == ['No trial is planned for this cell.']


def test_a_hit_beyond_the_budget_does_not_count(tmp_path):
  hits = {
    ('x', 'w', 0, 1): 100.1,
    ('x', 'family/variant', 0, 1): 100.0,
  }
  found = standing(race(tmp_path, hits), 'x')
  assert found.cells['w'].state == 'missed'
  assert found.cells['family/variant'].state == 'reached'


def evaluated(*values):
  """One evaluation a second."""
  numbered = np.arange(len(values), dtype=float)
  return evals.Evals(numbered, numbered, np.array(values), numbered)


def test_only_the_first_hit_counts_and_equality_is_one():
  assert evals.first_hit(evaluated(0.6, 0.5, 0.0), ROW) == 1
  higher = dataclasses.replace(ROW, better='higher')
  assert evals.first_hit(evaluated(0.6, 0.5, 0.0), higher) == 0
  # A later hit does not make up for a late one.
  assert evals.first_hit(evaluated(0.6, 0.5, 0.0), ROW, budget=0.9) is None


@pytest.mark.parametrize('better', ['lower', 'higher'])
def test_nan_never_reaches(better):
  row = dataclasses.replace(ROW, better=better)
  assert evals.first_hit(evaluated(NAN), row) is None
  assert evals.first_hit(evaluated(NAN, 0.5), row) == 1


def test_a_target_that_trials_did_not_run_for_leaves_cells_open(tmp_path):
  """Rescored by a stricter target, a trial that stopped early says nothing."""
  made.race(tmp_path / 'results')
  suite = tmp_path / 'strict.toml'
  _write_suite(suite, made.RULES, {'digits': 0.001})
  results = read.read(tmp_path / 'results', str(suite))
  scored = board.make(results)
  cell = standing(scored, 'nadamw').cells['digits']
  assert cell.state == 'open'
  assert 'the trial ran for another target' in cell.open[0]
  assert 'other rules' in results.remarks[0]
  _write_suite(suite, made.RULES, {'digits': 0.2})
  easier = board.make(read.read(tmp_path / 'results', str(suite)))
  before = board.make(read.read(tmp_path / 'results'))
  times = [
    standing(b, 'nadamw').cells['digits'].seconds for b in (easier, before)
  ]
  assert times[0] < times[1]


@pytest.mark.parametrize(
  ('value', 'text'),
  [
    (0.0, '0.00 s'),
    (9.999, '10.00 s'),
    (83.14, '83.1 s'),
    (7703.4, '7\u202f703 s'),
    (77520.0, '21.5 h'),
    (INF, '–'),
  ],
)
def test_seconds_read_well(value, text):
  assert formats.seconds(value) == text


@pytest.mark.parametrize(
  ('value', 'text'),
  [
    (0.0, '0.000'),
    (0.0312345, '0.03123'),
    (21.5049, '21.50'),
    (12345, '12345'),
  ],
)
def test_metrics_read_well(value, text):
  assert formats.metric(value) == text


@pytest.mark.parametrize(
  ('value', 'target', 'text'),
  [
    (0.61146, 0.6115, '0.61146'),  # A miss that was written as the target.
    (0.61154, 0.6115, '0.61154'),
    (0.6115, 0.6115, '0.6115'),
    (0.611499999, 0.6115, '0.611499999'),
    (0.6157, 0.6115, '0.6157'),
    (22.29949, 22.2995, '22.299'),
    (22.29951, 22.2995, '22.30'),
    (0.0, 0.0, '0.000'),
    (NAN, 0.5, '–'),
  ],
)
def test_a_miss_never_reads_like_its_target(value, target, text):
  found = formats.metric(value, target)
  assert found == text
  if not math.isnan(value):
    assert (float(found) < target) == (value < target)
    assert (float(found) == target) == (value == target)


@pytest.mark.parametrize(
  ('count', 'text'),
  [
    (0, '0 B'),
    (999, '999 B'),
    (1000, '1 kB'),
    (14_219_044, '14.2 MB'),
    (678_207_488, '678 MB'),
    (999_600_000, '1 GB'),  # It was 1e+03 MB.
    (5e15, '5000 TB'),
  ],
)
def test_sizes_read_well(count, text):
  assert formats.size(count) == text


@pytest.mark.parametrize(
  ('value', 'text'),
  [
    (14.413920456, '14.41'),
    (4.0, '4'),
    (63008.0, '63010'),  # A budget was 6.301e+04 s.
    (999.96, '1000'),
    (0.000123456, '0.0001235'),
    (0.0, '0'),
    (INF, 'inf'),
  ],
)
def test_numbers_in_sentences_have_no_exponent(value, text):
  assert quantities.plain(value) == text


def test_numbers_that_differ_are_told_apart():
  assert quantities.apart(100.04, 100.0) == ('100.04', '100')
  assert quantities.apart(4.0, 3.5) == ('4', '3.5')
  assert quantities.apart(2.0, 2.0) == ('2', '2')


def _write_suite(path, rules, targets):
  lines = []
  for key in ('version', 'reference'):
    lines.append(f'{key} = "{rules[key]}"')
  for key in ('seed', 'cutoff'):
    lines.append(f'{key} = {rules[key]}')
  sections = {f'rulesets.{k}': v for k, v in rules['rulesets'].items()}
  for name, row in rules['workloads'].items():
    changed = {'target': targets[name]} if name in targets else {}
    sections[f'workloads."{name}"'] = row | changed
  for head, table in sections.items():
    lines.append(f'[{head}]')
    for key, value in table.items():
      text = f'"{value}"' if isinstance(value, str) else value
      lines.append(f'{key} = {text}')
  path.write_text('\n'.join(lines))


@pytest.mark.parametrize(
  ('value', 'text'), [(2.04, '204 %'), (0.17, '17 %'), (0.0123, '1.2 %')]
)
def test_shares_read_well(value, text):
  """A miss by twice the target was once 2e+02 % short."""
  assert formats.share(value) == text
