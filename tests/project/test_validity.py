"""The statistics of tests/benchmarks/validity, and the command itself."""

import collections
import copy
import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats

from scoring.rank import board
from tests.benchmarks import ladder
from tests.benchmarks.validity import (
  __main__ as validity,
  needed,
  published,
  texts,
)
from tests.benchmarks.validity.ways import Scored
from tests.support import (
  correlations,
  made_boards,
  made_results,
  published_boards,
  redrawn,
)
from tests.support.published_boards import Published, Twins

TWINS = {'Lion': ['lion'], 'NAdamW': ['nadamw', 'baseline']}
MISSED = math.inf


def scored(hits, *names, measure='seconds', **rules):
  """Return a made-up race; hits are times by (submission, workload, study)."""
  suite = made_boards.rules(*names, **rules)
  found = made_boards.results(suite, {(*k, 1): v for k, v in hits.items()})
  return Scored('made', measure, 'exact', board.make(found))


def table(rows):
  """Return hits of one study from times by submission and workload."""
  return {
    (name, workload, 0): time
    for name, times in rows.items()
    for workload, time in times.items()
  }


def printed(values):
  """Return the numbers of a table's cell or a sentence."""
  words = values.replace('−', '-').replace('(', ' ').replace(')', ' ').split()
  found = []
  for word in words:
    try:
      found.append(float(word))
    except ValueError:
      continue
  return found


# Correlations.


@pytest.mark.parametrize('levels', [1000, 4])  # 4: many equal scores.
def test_correlations_are_those_of_scipy(levels):
  rng = np.random.default_rng(0)
  one = rng.integers(0, levels, (20, 9)) / levels
  other = rng.integers(0, levels, 9) / levels
  rho = [stats.spearmanr(row, other).statistic for row in one]
  tau = [stats.kendalltau(row, other).statistic for row in one]
  np.testing.assert_allclose(correlations.spearman(one, other), rho)
  np.testing.assert_allclose(correlations.kendall(one, other), tau)


def test_scores_that_are_all_equal_have_no_correlation():
  assert np.isnan(correlations.spearman(np.ones(4), np.arange(4)))
  assert np.isnan(correlations.kendall(np.ones(4), np.arange(4)))


def test_last_digits_do_not_count():
  one = np.array([0.3, 0.1 + 0.2, 0.1])
  assert correlations.spearman(one, np.array([1.0, 1.0, 0.0])) == 1


def test_pairs_in_order_leave_out_equal_ones():
  one, other = np.array([3.0, 2.0, 1.0, 1.0]), np.array([3.0, 1.0, 2.0, 0.0])
  # Six pairs: the last two are equal in the first scores; 1 and 2 swapped.
  assert correlations.in_order(one, other) == (4, 5)


def test_chance_counts_orders_that_agree_as_well():
  # Orders of three: ρ is 1, .5 twice, -.5 twice, -1.
  assert correlations.chance(np.arange(3), np.arange(3)) == pytest.approx(1 / 6)
  other = np.array([1, 0, 2])
  assert correlations.chance(np.arange(3), other) == pytest.approx(0.5)


def test_many_entries_are_compared_with_random_orders():
  low, high = correlations.unrelated(42)
  # ρ of unrelated orders has the variance 1 / (n - 1).
  assert high == pytest.approx(1.645 / math.sqrt(41), abs=0.03)
  assert low == pytest.approx(-high, abs=0.03)


# Published scores.


def test_every_twin_is_a_submission_and_every_algorithm_has_one():
  facts = published_boards.read()
  for names in facts['twins'].values():
    for name in names:
      folder = ladder.BOARDS.parents[1] / 'submissions/algorithms'
      assert (folder / f'{name}.py').is_file()
  for one in facts['boards']:
    known = {e['algorithm'] for e in one.entries if 'algorithm' in e}
    assert known <= set(facts['twins'])
    for entry in one.entries:
      assert 0 <= entry['seconds'] <= 1


def test_the_best_entry_of_an_algorithm_counts_first():
  entries = [
    {'entry': 'a', 'algorithm': 'Lion', 'seconds': 0.2, 'steps': 0.9},
    {'entry': 'b', 'algorithm': 'Lion', 'seconds': 0.5, 'steps': 0.1},
    {'entry': 'c', 'seconds': 1.0, 'steps': 1.0},
  ]
  published = Published('x', entries)
  assert published.known('seconds') == {'Lion': [0.5, 0.2]}
  assert published.known('whole') == {'Lion': [0.5, 0.2]}
  assert published.known('steps') == {'Lion': [0.9, 0.1]}
  del entries[2]['steps']  # A board that does not have all of them.
  assert published.known('steps') == {'Lion': [0.5, 0.2]}


def test_only_submissions_without_open_cells_are_compared():
  hits = table({'lion': {'a': 1.0}, 'baseline': {'a': 2.0}})
  hits['nadamw', 'a', 0] = math.nan
  entries = [
    {'entry': 'a', 'algorithm': 'NAdamW', 'seconds': 0.2},
    {'entry': 'b', 'algorithm': 'Lion', 'seconds': 0.5},
  ]
  pair = published.shared(scored(hits, 'a'), Published('x', entries), TWINS)
  assert pair.algorithms == ['NAdamW', 'Lion']
  assert pair.ours == [['baseline'], ['lion']]


def test_all_choices_of_entries_are_tried():
  hits = table({'p': {'a': 1.0}, 'q': {'a': 2.0}, 'r': {'a': 3.0}})
  pair = Twins(['P', 'R'], [['p'], ['q', 'r']], [[0.5], [0.9, 0.1]])
  found = published.choices(scored(hits, 'a'), pair)
  assert sorted(found) == [-1, -1, 1, 1]


def test_swapped_choices_differ_wherever_they_can():
  # Only the first algorithm has two entries: above all others, or below.
  found = published_boards.swapped([[0.9, 0.1], [0.5], [0.6], [0.7]])
  expected = stats.spearmanr([0.9, 0.5, 0.6, 0.7], [0.1, 0.5, 0.6, 0.7])
  np.testing.assert_allclose(found, [expected.statistic] * 2)
  assert not published_boards.swapped([[0.9], [0.5], [0.6], [0.7]]).size


# Draws.


def test_draws_of_equal_workloads_change_nothing():
  rows = {'p': dict.fromkeys('abc', 1.0), 'q': dict.fromkeys('abc', 2.0)}
  one = scored(table(rows), *'abc')
  found = redrawn.again(one.board)
  np.testing.assert_allclose(found, np.broadcast_to([1, 2 / 3], found.shape))


def test_a_single_workload_is_drawn_with_equal_chances():
  rows = {'p': {'a': 1.0, 'b': MISSED}, 'q': {'a': MISSED, 'b': 1.0}}
  found = redrawn.again(scored(table(rows), 'a', 'b').board, width=1)
  assert set(found[:, 0]) == {0, 1}
  assert found[:, 0].mean() == pytest.approx(0.5, abs=0.05)
  np.testing.assert_allclose(found.sum(axis=1), 1)


def test_studies_are_drawn_where_there_are_several():
  hits = {('p', 'a', study): time for study, time in enumerate([1.0, 2.0])}
  hits |= {('q', 'a', study): 1.0 for study in range(2)}
  found = redrawn.again(scored(hits, 'a').board)[:, 0]
  # p's median is 1, 1.5 or 2 times q's.
  assert set(np.round(found, 6)) == {1, round(2.5 / 3, 6), round(2 / 3, 6)}


def test_a_draw_has_the_same_study_in_all_cells_of_a_workload():
  studies = np.arange(3.0) + np.array([10.0, 20.0])[:, None]  # [N, S]
  found = redrawn.drawn_studies(studies[None, :, None], 1)[:, 0, :, 0]
  np.testing.assert_allclose(found[:, 1] - found[:, 0], 10)
  counts = collections.Counter(found[:, 0])
  assert set(counts) == {10, 11, 12}
  assert min(counts.values()) > redrawn.DRAWS / 4


def test_the_model_of_noise_has_the_size_it_should_have():
  cells = np.full((1, 1, 400), 5.0)
  cells[0, 0, 0] = MISSED
  found = np.log(redrawn.noisy(cells, [0.1, 0.2], 1) / 5)[:, 0, 0]
  assert np.isinf(found[:, 0]).all()
  sizes = found[:, 1:].std(axis=0)
  assert np.median(sizes) == pytest.approx(0.1, rel=0.1)
  assert np.quantile(sizes, 0.9) == pytest.approx(0.2, rel=0.15)


def test_the_median_of_more_studies_has_less_noise():
  cells = np.full((2, 1, 50), 5.0)
  few, many = (redrawn.noisy(cells, [0.1, 0.2], n) for n in (1, 5))
  assert many.std() < 0.7 * few.std()
  np.testing.assert_array_equal(few[:, 0], few[:, 1])  # The same on all rungs.


def test_doubt_has_the_width_and_the_pairs_told_apart():
  steps = np.linspace(0, 1, 1001)
  scores = np.stack([steps, steps + 2, np.full(1001, 0.5)], axis=1)
  width, sure = redrawn.apart(scores)
  assert width == pytest.approx(0.6)  # The mean of .9, .9 and 0.
  assert sure == pytest.approx(2 / 3)  # The second is above both others.
  assert texts.doubt(scores) == '.60 | 67 %'


# Mini among itself.


def test_splits_correlate_two_halves():
  rows = {
    'p': {'a': 1.0, 'b': 1.0, 'c': 3.0},
    'q': {'a': 2.0, 'b': 2.0, 'c': 2.0},
    'r': {'a': 3.0, 'b': 3.0, 'c': 1.0},
  }
  found = ladder.splits(scored(table(rows), *'abc').board)
  # a against b and c, where r and p tie after q's mean; b; c against a and b.
  credit = {'p': (1, 1, 1 / 3), 'q': (2 / 3,) * 3, 'r': (1 / 3, 1 / 3, 1)}
  credit = np.array(list(credit.values()))
  rest = [np.delete(credit, n, axis=1).mean(axis=1) for n in range(3)]
  for n in range(3):
    expected = correlations.spearman(credit[:, n], rest[n])
    np.testing.assert_equal(found[n], expected)
  assert found[2] == -1


def test_boards_of_single_studies():
  hits = {('p', 'a', 0): 1.0, ('p', 'a', 1): 2.0}
  hits |= {('q', 'a', 0): 2.0, ('q', 'a', 1): 1.0, ('q', 'a', 2): 1.0}
  hits |= {('p', 'a', 2): MISSED}
  first, second, third = redrawn.by_study(scored(hits, 'a').board)
  np.testing.assert_allclose(first, [1, 2 / 3])
  np.testing.assert_allclose(second, [2 / 3, 1])
  np.testing.assert_allclose(third, [0, 1])


def test_credit_of_a_workload():
  rows = {'p': {'a': 1.0, 'b': MISSED}, 'q': {'a': 2.5, 'b': 1.0}}
  found = needed.credit(scored(table(rows), 'a', 'b').board)
  np.testing.assert_allclose(found, [[1, 0], [0.5, 1]])


def test_single_workloads_correlate_with_the_others():
  rows = {
    name: {'a': place, 'b': place, 'c': 4.5 - place}
    for name, place in zip('pqrs', (1.0, 1.5, 2.0, 2.5), strict=True)
  }
  lines = list(needed.alone_rows(scored(table(rows), *'abc'), []))
  assert lines[2] == '| c | −1.00 |'


@pytest.mark.parametrize(
  ('value', 'text'),
  [(0.5, '.50'), (-0.071, '−.07'), (1, '1.00'), (-0.001, '.00')],
)
def test_numbers_in_print(value, text):
  assert texts.short(value) == text


# The command.

NAMES = ('ademamix', 'lion', 'muon', 'nadamw', 'schedule_free', 'sgd')
WORKLOADS = ('criteo1tb/mini', 'finewebedu_lm/mini')


def race(out, ruleset='self', world=None, studies=1, names=NAMES, **slower):
  """Write a race in which a submission is as fast as its place in NAMES."""
  rules = copy.deepcopy(made_results.RULES)
  rules['workloads'] = {name: rules['workloads'][name] for name in WORKLOADS}
  for row in rules['workloads'].values():
    row |= {'world': world} if world else {}
  keys = list(itertools.product(names, WORKLOADS, range(studies), [1]))
  points = {name: {} for name in NAMES}
  for trial in made_results.write_plan(out, keys, rules, points=points):
    row = rules['workloads'][trial['workload']]
    pace = slower.get(trial['submission'], 1 + NAMES.index(trial['submission']))
    at = 3.0 + pace + 0.1 * trial['study']
    values = [(2.0, 40 * row['target']), (at, 0.99 * row['target'])]
    made_results.write_trial(
      out, trial, values, 'reached', metric=row['metric']
    )
  plan = out / 'plan.json'
  plan.write_text(plan.read_text().replace('"self",', f'"{ruleset}",', 1))
  return str(out)


@pytest.fixture
def few(monkeypatch):
  monkeypatch.setattr(redrawn, 'DRAWS', 50)


def rows_of(text, head):
  """Return the cells of all tables' rows below a heading."""
  part = text.split(f'## {head}', 1)[1].split('\n## ', 1)[0]
  lines = [line for line in part.splitlines() if line.startswith('| ')]
  return [[cell.strip() for cell in line[1:-1].split('|')] for line in lines]


def test_the_command_on_a_board_with_three_studies(tmp_path, capsys, few):
  validity.main([race(tmp_path / 'a', studies=3)])
  text = capsys.readouterr().out
  assert '6 submissions without open cells' in text
  agree = rows_of(text, 'Mini and published scores')
  [row] = [
    r
    for r in agree
    if r[:4] == ['self', 'charged seconds', 'exact', 'A100 self']
  ]
  # Places here: AdEMAMix, Lion, Muon, NAdamW, schedule-free.
  published = [0.519, 0.278, 0.423, 0.451, 0.568]
  expected = stats.spearmanr([5, 4, 3, 2, 1], published).statistic
  assert row[4] == '5'
  assert printed(row[5])[0] == pytest.approx(expected, abs=0.005)
  assert {r[2] for r in agree} >= {'exact', '20% back', 'ladder'}
  single = rows_of(text, 'Studies')
  by_seconds = [r for r in single[1:] if r[1] != 'steps']
  assert {tuple(r[3:]) for r in by_seconds} == {('3', '1.00', '1.00 to 1.00')}
  # All submissions make the same steps, so there is no order.
  assert {tuple(r[3:]) for r in single if r[1] == 'steps'} == {('3', '–', '–')}
  noise = rows_of(text, 'Number of studies')
  assert [r[3:5] for r in noise[1:]] == [
    ['these studies', str(n)] for n in (1, 2, 3)
  ]


def test_races_in_other_rulesets_and_worlds_are_compared(tmp_path, capsys, few):
  validity.main(
    [
      race(tmp_path / 'a'),
      race(tmp_path / 'b', world=1, ademamix=9, sgd=0),
      race(tmp_path / 'c', ruleset='external'),
    ]
  )
  text = capsys.readouterr().out
  found = {
    (row[0], row[2]): row[4]
    for row in rows_of(text, 'Rulesets and worlds')[1:]
    if row[1] == 'charged seconds'
  }
  names = {'self (world 0)', 'self (world 1)', 'external (world 0)'}
  assert names == {row[0] for row in rows_of(text, 'Halves of the suite')[1:]}
  worlds = found['self (world 0) and self (world 1)', 'exact']
  swapped = stats.spearmanr([6, 5, 4, 3, 2, 1], [1, 5, 4, 3, 2, 6]).statistic
  assert printed(worlds)[0] == pytest.approx(swapped, abs=0.005)
  rulesets = found['self (world 0) and external (world 0)', 'exact']
  assert printed(rulesets)[0] == 1
  # Two rulesets in two worlds differ by two things at once.
  assert not any('self (world 1) and external' in pair for pair, _ in found)


def test_the_same_race_twice_has_two_names(tmp_path, capsys, few):
  validity.main([race(tmp_path / 'a'), race(tmp_path / 'b')])
  text = capsys.readouterr().out
  assert f'self ({tmp_path / "a"}) and self' in text


@pytest.mark.parametrize('name', ['none', 'empty'])
def test_a_folder_without_results_is_refused(tmp_path, name):
  (tmp_path / 'empty').mkdir()
  with pytest.raises(SystemExit, match='has no results'):
    validity.main([str(tmp_path / name)])


def test_a_board_of_one_submission_is_refused(tmp_path):
  out = tmp_path / 'a'
  with pytest.raises(SystemExit, match='fewer than two submissions'):
    validity.main([race(out, names=NAMES[:1])])


def test_untimed_submissions_are_ranked_by_steps(tmp_path, capsys, few):
  out = tmp_path / 'a'
  race(out)
  for path in out.glob('lion/**/trial.json'):
    path.write_text(json.dumps(json.loads(path.read_text()) | {'timed': False}))
  validity.main([str(out)])
  counts = {
    row[1]: row[4]
    for row in rows_of(capsys.readouterr().out, 'Halves of the suite')
    if row[4].startswith('all')
  }
  assert counts.pop('steps') == 'all 6'
  assert set(counts.values()) == {'all 5'}
