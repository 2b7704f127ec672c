"""The score is the mean over the rungs of a ladder, each scored as a board."""

import copy
import dataclasses
import io
import json
import math

import pytest
import rich.console
from hypothesis import given, settings, strategies as st

from runner.protocol.suites import suite as suites
from scoring.load import results as read
from scoring.rank import alternatives, analysis, board, bootstrap, pruning
from scoring.rank.board import Board
from scoring.report import export, markdown, sentences, terminal
from scoring.report.page import render
from tests.support import made_boards as made, made_results

INF, NAN = math.inf, math.nan
LADDER = (0.0, 0.1, 0.2)
RACE = {  # Seconds to the exact target, and to two easier ones.
  ('x', 'w', 0, 1): [40.0, 20.0, 10.0],
  ('x', 'v', 0, 1): [INF, 50.0, 30.0],
  ('y', 'w', 0, 1): [INF, INF, 20.0],
  ('y', 'v', 0, 1): [100.0, 50.0, 20.0],
}


def scores(found: Board) -> dict[str, float]:
  return {s.submission: s.score for s in found.standings}


def by_rung(results, integral='exact'):
  """Return a board for each rung, of a suite with its target alone."""
  for rung in range(len(results.rules.ladder)):
    rows = results.rules.workloads
    suite = dataclasses.replace(
      results.rules,
      ladder=(0.0,),
      workloads={name: results.rules.rungs(name)[rung] for name in rows},
    )
    trials = [
      trial._replace(hits=trial.hits[rung : rung + 1])
      for trial in results.trials
    ]
    alone = dataclasses.replace(results, rules=suite, trials=trials)
    yield board.make(alone, integral)


def test_a_board_by_hand():
  results = made.results(made.rules('w', 'v', ladder=LADDER), RACE)
  found = board.make(results)
  x, y = (
    next(s for s in found.standings if s.submission == name) for name in 'xy'
  )
  # w: x is the fastest on each rung; y takes twice as long on the easiest.
  assert x.cells['w'].credits == (1.0, 1.0, 1.0)
  assert y.cells['w'].credits == (0.0, 0.0, pytest.approx(2 / 3))
  # v: y alone, then both, then x takes 1.5 times as long.
  assert x.cells['v'].credits == (0.0, 1.0, pytest.approx(2.5 / 3))
  assert y.cells['v'].credits == (1.0, 1.0, 1.0)
  assert x.score == pytest.approx((3 + 1 + 2.5 / 3) / 6)
  assert y.score == pytest.approx((3 + 2 / 3) / 6)
  assert (x.rank, y.rank) == (1, 2)
  # Times are those of the exact target; near misses are seen by the rungs.
  missed = x.cells['v']
  assert (missed.state, missed.seconds, missed.rungs) == ('missed', INF, 2)
  assert missed.times == (INF, 50.0, 30.0)
  assert (x.reached, x.rungs, y.reached, y.rungs) == (1, 5, 1, 4)
  assert missed.credit == pytest.approx((1 + 2.5 / 3) / 3)
  assert '2 of 3 targets reached, credit 0.611' in sentences.cell(missed)


def test_who_runs_a_variant_for_another_rung_sets_no_time_on_this_one():
  """Its time once stopped others as beyond the cutoff where it had none."""
  suite = made.rules('w', held_out={'h': 'w'}, ladder=(0.0, 0.2))
  seconds = {
    ('a', 'w', 0, 1): [INF, 10.0],
    ('a', 'h', 0, 1): [10.0, 10.0],
    ('b', 'w', 0, 1): [100.0, 10.0],
    ('b', 'h', 0, 1): [100.0, 100.0],
  }
  results = made.results(suite, seconds)
  kept, _ = pruning.prune(results, results.trials)
  for trials in (results.trials, kept):
    found = board.make(dataclasses.replace(results, trials=trials))
    assert scores(found) == {'a': 0.5, 'b': 0.5}


rungs_of_a_trial = st.lists(
  st.floats(1, 999) | st.just(INF), min_size=3, max_size=3
).map(lambda seconds: sorted(seconds, reverse=True))


@st.composite
def races(draw):
  suite = made.rules(
    'w',
    'v',
    held_out=draw(st.sampled_from([{}, {'h': 'w'}, {'h': 'w', 'g': 'v'}])),
    ladder=LADDER,
    fastest=draw(st.sampled_from(['time', 'evaluation'])),
    cut=draw(st.sampled_from(['first', 'last'])),
    missing='missed',
  )
  trials = draw(st.integers(1, 3))
  keys = [
    (submission, workload, study, trial)
    for submission in 'abc'[: draw(st.integers(1, 3))]
    for workload in suite.workloads
    for study in range(draw(st.integers(1, 3)))
    for trial in range(1, trials + 1)
  ]
  return made.results(suite, {key: draw(rungs_of_a_trial) for key in keys})


@settings(max_examples=150, deadline=None)
@given(races(), st.sampled_from(['exact', 'published']))
def test_the_score_is_the_mean_of_the_boards_of_the_rungs(results, integral):
  alone = [scores(one) for one in by_rung(results, integral)]
  for name, value in scores(board.make(results, integral)).items():
    mean = sum(one[name] for one in alone) / len(alone)
    assert value == pytest.approx(mean, abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(races())
def test_pruning_changes_no_score_on_any_rung(results):
  kept, _ = pruning.prune(results, results.trials)
  pruned = dataclasses.replace(results, trials=kept)
  assert scores(board.make(pruned)) == scores(board.make(results))
  for one, other in zip(by_rung(pruned), by_rung(results), strict=True):
    assert scores(one) == scores(other)


@settings(max_examples=150, deadline=None)
@given(st.lists(rungs_of_a_trial, min_size=1, max_size=4), rungs_of_a_trial)
def test_who_was_beaten_is_scored_exactly_on_every_rung(before, last):
  """A trial stops when another one of its study has reached the exact target.

  On an easier rung that one is not later, so the stopped trial could not be
  the fastest there after its stop.
  """
  suite = made.rules('w', ladder=LADDER)
  field = [*before, last]
  hits = {('x', 'w', 0, n): hit for n, hit in enumerate(field, start=1)}
  whole = made.results(suite, hits)
  first = min(trial.hit for trial in whole.trials[:-1])
  *others, stopped = whole.trials
  if math.isfinite(first) and first < stopped.seconds:
    stopped = stopped.until(first)._replace(state='beaten')
  raced = dataclasses.replace(whole, trials=[*others, stopped])
  cells = [board.make(one).standings[0].cells['w'] for one in (whole, raced)]
  assert cells[0].times == cells[1].times
  assert not any(cell.open for cell in cells)


def test_one_rung_is_the_board_as_ever():
  exact = {key: hit[0] for key, hit in RACE.items()}
  found = board.make(made.results(made.rules('w', 'v'), exact))
  assert scores(found) == {'x': 0.5, 'y': 0.5}
  assert found.times.cells.shape == (1, 2, 2)


def test_what_explains_the_score_is_of_the_same_score():
  studies = {
    (name, workload, study, 1): [s * (1 + 0.3 * study) for s in seconds]
    for (name, workload, _, _), seconds in RACE.items()
    for study in range(3)
  }
  results = made.results(made.rules('w', 'v', ladder=LADDER), studies)
  found = board.make(results)
  here, order = scores(found), found.times.submissions
  assert found.scores(found.times.cells).tolist() == pytest.approx(
    [here[name] for name in order]
  )
  assert alternatives.measures(results, found)['seconds'] == pytest.approx(here)
  for unit in bootstrap.UNITS:
    spread = bootstrap.bootstrap(found, unit, draws=200)
    assert spread.bands.shape == (2, 2, bootstrap.POINTS)
    for name, low, high in zip(order, spread.low, spread.high, strict=True):
      assert low - 1e-9 <= here[name] <= high + 1e-9
  [of_v, of_w] = [bootstrap.without(found)[name] for name in 'wv']
  for name, value in here.items():
    assert (of_v[name] + of_w[name]) / 2 == pytest.approx(value)


def test_draws_are_the_same_on_every_rung():
  """Otherwise noise that the rungs share would cancel, as if there was less."""
  same = {
    key: [seconds] * 3
    for n in range(3)
    for key, seconds in {
      ('x', 'w', n, 1): 10.0 + 3 * n,
      ('y', 'w', n, 1): 11.0 + 5 * n,
    }.items()
  }
  ladder = board.make(made.results(made.rules('w', ladder=LADDER), same))
  single = {key: seconds[0] for key, seconds in same.items()}
  cliff = board.make(made.results(made.rules('w'), single))
  spreads = [bootstrap.bootstrap(one, draws=300) for one in (ladder, cliff)]
  for one, other in zip(*((s.low, s.high) for s in spreads), strict=True):
    assert one == pytest.approx(other)


def test_an_open_trial_is_open_on_every_rung():
  results = made.results(
    made.rules('w', 'v', ladder=LADDER), RACE | {('x', 'w', 0, 1): NAN}
  )
  x = next(s for s in board.make(results).standings if s.submission == 'x')
  assert (x.rank, x.open_cells, x.cells['w'].rungs) == (None, 1, 0)
  assert all(map(math.isnan, x.cells['w'].times))
  assert x.best_case == pytest.approx(x.score + 1 / 2)


# Files.

TABLE = copy.deepcopy(made_results.RULES) | {'ladder': list(LADDER)}
for name, start in {
  'digits': 0.9, 'criteo1tb/mini': 0.71, 'finewebedu_lm/mini': 9800.0
}.items():  # fmt: skip
  TABLE['workloads'][name]['start'] = start


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return made_results.race(tmp_path_factory.mktemp('ladder') / 'out')


def suite_file(path, workloads, **keys):
  rows = {f'[workloads."{name}"]': row for name, row in workloads.items()}
  rulesets = {f'[rulesets.{n}]': r for n, r in TABLE['rulesets'].items()}
  top = {k: v for k, v in TABLE.items() if not isinstance(v, dict)} | keys
  lines = [f'{k} = {json.dumps(v)}' for k, v in top.items()]
  for head, row in (rulesets | rows).items():
    lines += [head, *(f'{k} = {json.dumps(v)}' for k, v in row.items())]
  path.write_text('\n'.join(lines) + '\n')
  return str(path)


def test_a_folder_is_scored_as_the_mean_of_suites_with_other_targets(
  folder, tmp_path
):
  climbed = suite_file(tmp_path / 'ladder.toml', TABLE['workloads'])
  found = scores(board.make(read.read(folder, climbed)))
  parts = []
  for rung in range(len(LADDER)):
    loaded = suites.load(climbed)
    rows = {
      name: row | {'target': loaded.rungs(name)[rung].target}
      for name, row in TABLE['workloads'].items()
    }
    alone = suite_file(tmp_path / f'{rung}.toml', rows, ladder=[0.0])
    parts.append(scores(board.make(read.read(folder, alone))))
  assert len({str(part) for part in parts}) > 1
  for name, value in found.items():
    assert value == pytest.approx(sum(p[name] for p in parts) / len(parts))


def test_every_report_says_what_the_score_is_the_mean_of(folder, tmp_path):
  path = suite_file(tmp_path / 'ladder.toml', TABLE['workloads'])
  results = read.read(folder, path)
  found = board.make(results)
  made_of = analysis.make(results, found, draws=50)
  said = (
    'mean over 3 targets: the exact one, and 10 to 20 % of the way back to '
    'where training began'
  )
  text = markdown.render(results, found, made_of)
  assert said in text.split(markdown.BEGIN)[0]
  assert '| targets |' in text
  everything = export.everything(results, found, made_of)
  assert everything['ladder'] == list(LADDER)
  table = export.leaderboard(found, made_of)
  assert set(table['targets']) == {9}
  for line, standing in zip(
    everything['leaderboard'], found.standings, strict=True
  ):
    assert line['targets_reached'] == standing.rungs
    for cell in line['workloads'].values():
      assert len(cell['credit_by_target']) == len(LADDER)
  json.dumps(everything, allow_nan=False)
  shown = rich.console.Console(file=io.StringIO(), width=250)
  terminal.show(results, found, made_of.spread, shown)
  printed = shown.file.getvalue()
  assert said in ' '.join(printed.splitlines()[:3]) and 'targets' in printed
  assert said in render.render(results, found, made_of)
  told = render.data(results, found, made_of)
  assert told['ladder'] == list(LADDER)
  first = told['views'][0]
  assert first['targets'] == [s.rungs for s in found.standings]
  # The profiles have a step for each target reached.
  ratios = [
    ratio for row in first['cells'] for c in row for ratio in c['ratios']
  ]
  assert sum(ratio not in (None, -1) for ratio in ratios) == sum(
    math.isfinite(ratio)
    for s in found.standings
    for c in s.cells.values()
    for ratio in c.ratios
  )
  alone = dataclasses.replace(results.rules, ladder=(0.0,))
  assert sentences.meaning(alone) == 'one target per workload'


def test_a_cut_line_that_may_reach_a_rung_leaves_the_cell_open(tmp_path):
  """Numbers that begin with 0.1 miss 0.031; some of them reach 0.1179."""
  rows = {'digits': TABLE['workloads']['digits']}
  climbed = suite_file(tmp_path / 'ladder.toml', rows)
  alone = suite_file(tmp_path / 'alone.toml', rows, ladder=[0.0])
  out = tmp_path / 'out'
  [trial] = made_results.write_plan(out, [('x', 'digits', 0, 1)])
  made_results.write_trial(out, trial, [(1.0, 0.9)], metric='error_rate')
  [path] = out.rglob('eval_measurements.csv')
  header, line = path.read_text().splitlines()
  cells = dict(zip(header.split(','), line.split(','), strict=True))
  cells |= {'global_step': '32', 'validation/error_rate': '0.1'}
  order = [*sorted(cells.keys() - {'validation/error_rate'})]
  order.append('validation/error_rate')  # The field that the cut goes through.
  first = dict(zip(header.split(','), line.split(','), strict=True))
  lines = [order, [first[name] for name in order], [cells[n] for n in order]]
  path.write_text('\n'.join(map(','.join, lines)))
  missed, unclear = (
    board.make(read.read(out, suite)).standings[0].cells['digits']
    for suite in (alone, climbed)
  )
  assert (missed.state, unclear.state, unclear.rungs) == ('missed', 'open', 0)
  assert 'met error_rate 0.031 or an easier target. ' in unclear.open[0]
