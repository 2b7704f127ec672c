"""The page of the report without a browser, and the static figures."""

import dataclasses
import html.parser
import json
import re

import pytest

import submissions
from scoring.load import results as read
from scoring.rank import analysis, board, bootstrap
from scoring.report import colours, figures, kinds, marks
from scoring.report.page import curves, doubts, entries, render
from tests.support import made_results as made

HOSTILE = '</script><script>alert(1)</script>'


class Page(html.parser.HTMLParser):
  """All tags of a page; raises if they are not well nested."""

  VOID = ('meta', 'link', 'br', 'img', 'wbr', 'input')

  def __init__(self, source):
    super().__init__()
    self.tags, self.stack, self.scripts = [], [], []
    self.feed(source)
    assert not self.stack

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))
    if tag not in self.VOID:
      self.stack.append(tag)

  def handle_startendtag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def handle_endtag(self, tag):
    assert self.stack.pop() == tag

  def handle_data(self, data):
    if self.stack and self.stack[-1] == 'script':
      self.scripts.append(data)


def scored(folder, rules=None):
  results = read.read(folder, rules)
  found = board.make(results)
  return results, found, analysis.make(results, found, draws=50)


def rendered(folder, rules=None):
  return render.render(*scored(folder, rules))


def embedded(source):
  """Return the data that the page's script draws."""
  return json.loads(Page(source).scripts[0])


def many(
  folder, submissions=20, workloads=8, studies=3, trials=1, reference='nadamw'
):
  """A race as large as that, with 30 evaluations a trial."""
  row = made.RULES['workloads']['criteo1tb/mini']
  names = ['criteo1tb', 'fastmri', 'imagenet_resnet', 'imagenet_vit']
  names += ['librispeech_conformer', 'librispeech_deepspeech', 'ogbg', 'wmt']
  names += ['finewebedu_lm']
  names = names[:workloads]
  entered = [f'submission_number_{n}' for n in range(submissions)]
  rates = {'learning_rate': 0.00175, 'beta1': 0.9, 'beta2': 0.9955}
  plan = made.write_plan(
    folder,
    [
      (name, workload, study, trial)
      for name in entered
      for workload in names
      for study in range(studies)
      for trial in range(1, trials + 1)
    ],
    made.RULES
    | {'workloads': dict.fromkeys(names, row), 'reference': reference},
    dict.fromkeys(names, 100.0),
    dict.fromkeys(entered, rates),
  )
  for number, trial in enumerate(plan):
    slow = 1 + number % 17 / 20
    values = [(3.0 * n + 1, 0.4552 + slow / (n + 2) - 0.035) for n in range(30)]
    made.write_trial(folder, trial, values, 'budget', 'The budget is spent.')
  return folder


@pytest.fixture(scope='module')
def race(tmp_path_factory):
  """A race."""
  top = tmp_path_factory.mktemp('race')
  made.race(top / 'results')
  return top


@pytest.fixture(scope='module')
def source(race):
  """The race's page."""
  return rendered(race / 'results')


def test_the_page_stands_alone_and_is_well_formed(source):
  # The one link to outside is to papers; nothing is loaded from there.
  own = source.replace('https://arxiv.org/abs/', '')
  assert not re.search(r'(?:src|href|url|@import)\W{1,3}(?:https?:)?//', own)
  found = Page(source)
  names = [tag for tag, _ in found.tags]
  assert not {'img', 'link', 'iframe', 'object'} & {*names}
  for tag, attributes in found.tags:
    assert tag != 'th' or attributes['scope'] in ('col', 'row')
  assert names.count('table') == names.count('caption')
  ids = [a['id'] for _, a in found.tags if 'id' in a]
  assert len(ids) == len(set(ids))
  links = [a['href'] for t, a in found.tags if t == 'a']
  assert links and {link[1:] for link in links} <= {*ids}


def test_title_and_headline_say_what_was_raced_and_who_leads(source):
  title = 'mini 0.1, self-tuning ruleset, cpu-2-5f8a5c, 2026-11-23'
  assert f'<title>{title} · TimeTrial</title>' in source
  assert f'<h1>{title}</h1>' in source
  assert 'schedule_free_adamw leads with a score of 0.970' in source


def test_pages_of_equal_results_are_equal(race, source):
  assert rendered(race / 'results') == source


def test_numbers_are_those_of_the_board(race, source):
  """Python computes, the script only draws: both must have the same."""
  results, found, explained = scored(race / 'results')
  table = embedded(source)
  assert [e['name'] for e in table['entries']] == [
    s.submission for s in found.standings
  ]
  first = table['views'][0]
  for n, standing in enumerate(found.standings):
    assert first['score'][n] == pytest.approx(standing.score, abs=1e-5)
    assert first['rank'][n] == standing.rank
    ends = bootstrap.interval(found, explained.spread, standing.submission)
    if ends is None:  # It has open cells.
      assert standing.rank is None and first['interval'][n] is None
    else:
      assert first['interval'][n] == pytest.approx(list(ends), rel=1e-4)
    for w, cell in enumerate(standing.cells.values()):
      told = first['cells'][n][w]
      assert told['state'] == cell.state
      if cell.state == 'reached':
        assert told['time'] == pytest.approx(cell.seconds, rel=1e-4)
        assert told['ratios'][0] == pytest.approx(cell.ratio, rel=1e-4)
  assert len(table['views']) == len(explained.measures)
  for view in table['views']:
    known = explained.measures[view['key']]
    told = dict(
      zip([e['name'] for e in table['entries']], view['score'], strict=True)
    )
    assert told == pytest.approx(known, abs=1e-5)
  assert results.ruleset == table['ruleset']


def test_curves_keep_first_last_and_hit(tmp_path):
  """Long curves are thinned; the evaluation that counts always stays."""
  keys = [('x', 'digits', 0, 1)]
  plan = made.write_plan(tmp_path / 'results', keys)
  values = [(n / 1000, 0.9 if n != 4321 else 0.01) for n in range(1, 9001)]
  made.write_trial(
    tmp_path / 'results', plan[0], values, 'reached', '', 'error_rate', 1e9
  )
  results, found, _ = scored(tmp_path / 'results')
  [[[trial], *_]] = curves.table(
    dataclasses.replace(results, trials=results.trials * 30), found
  )
  assert len(trial['at']) <= curves.POINTS // len(results.trials) // 30 + 1
  assert trial['at'][0] == 0.001 and trial['at'][-1] == 9
  assert trial['values'][trial['hit']] == 0.01


def test_the_commands_make_the_same_board(source):
  told = embedded(source)['doubt']['commands']
  assert told[0].startswith('timetrial run --suite=mini --ruleset=self ')
  assert '--studies=3' in told[0]
  assert told[1] == 'timetrial score results --out=report --draws=50'


def test_the_commands_have_what_changes_scores_and_intervals(tmp_path):
  """They once made another board than the page that they were on."""
  folder = made.race(tmp_path / 'results')
  results = read.read(folder, effort='steps', relax=0.05)
  found = board.make(results, 'published')
  spread = bootstrap.bootstrap(found, 'both', draws=7, seed=4)
  *_, told = doubts.commands(results, found, spread)
  assert told == (
    'timetrial score results --out=report --by=steps --relax=0.05 '
    '--integral=published --resample=both --draws=7 --seed=4'
  )


def test_colours_belong_to_names():
  """They do not depend on the board, and all of ours differ."""
  names = [name for listed in kinds.KINDS.values() for name in listed]
  looks = [(colours.hue(name), colours.dash(name)) for name in names]
  assert len(set(looks)) == len(looks)
  assert colours.rgb(0) != colours.rgb(180)
  red, green, blue = colours.rgb(30)
  assert red > green > blue
  assert all(0 <= part <= 1 for h in range(360) for part in colours.rgb(h))


def test_every_submission_has_a_kind():
  listed = [name for names in kinds.KINDS.values() for name in names]
  assert sorted(listed) == sorted(submissions.names())
  assert kinds.kind('adamw@linear') == 'schedules'
  assert kinds.kind('lion@default') == kinds.kind('lion')
  assert kinds.kind('mine') == kinds.OTHER


def test_what_a_source_says_of_itself(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(
    '"""Mine: Adam, but\nbetter (v1.5 of it). Doe 2024, arXiv:2409.11321.\n'
    'State: 2.03 bytes a parameter. More."""\n'
  )
  told = entries.read(path)
  assert told.about == 'Mine: Adam, but better (v1.5 of it).'
  assert told.paper == '2409.11321'
  assert told.state == '2.03 bytes a parameter'
  path.write_text('not python (')
  assert entries.read(path) == entries.NOTHING
  assert entries.read(tmp_path / 'none.py') == entries.NOTHING
  (tmp_path / 'link.py').symlink_to('/etc/passwd')
  assert entries.read(tmp_path / 'link.py') == entries.NOTHING


def test_one_study_says_nothing_of_noise(tmp_path):
  source = rendered(many(tmp_path / 'results', 2, 2, 1))
  table = embedded(source)
  assert table['views'][0]['interval'] == [None, None]
  assert table['views'][0]['faster'] is None
  assert 'the noise between runs is unknown' in table['views'][0]['uncertainty']


def test_a_miss_is_drawn_where_it_was_given_up(race):
  _, found, _ = scored(race / 'results')
  cells = {s.submission: s.cells for s in found.standings}
  found = marks.marks(cells['sgd_momentum']['finewebedu_lm/mini'])
  assert [mark.kind for mark in found] == ['censored'] * 3
  assert [mark.outcome for mark in found] == ['budget', 'diverged', 'budget']
  assert all(0 < mark.seconds < 121.6 for mark in found)
  found = marks.marks(cells['muon']['finewebedu_lm/mini'])
  assert [mark.kind for mark in found] == ['hit', 'open', 'open']


def test_a_miss_has_a_forecast_and_no_result(tmp_path):
  table = embedded(rendered(many(tmp_path / 'results', 2, 2, 1)))
  cells = table['views'][0]['cells']
  seen = 0
  for row, told in zip(cells, table['takes'], strict=True):
    for cell, takes in zip(row, told, strict=True):
      assert takes is None or cell['state'] == 'missed'
      if takes:
        seen += 1
        low, high = takes
        assert low >= 1 and (high is None or low <= high <= table['takes_most'])
  assert seen
  words = (render.HERE / 'ranking.js').read_text(encoding='utf-8')
  assert 'forecast, not a result' in words


def test_hostile_names_are_escaped(tmp_path):
  name = 'a<b>"&\'{{7*7}}$x_'
  points = {name: {HOSTILE: HOSTILE, 'nan': float('nan')}}
  keys = [(name, 'digits', 0, 1), ('[bold]x', 'digits', 0, 1)]
  plan = made.write_plan(tmp_path / 'results', keys, points=points)
  values = [(1.0, 0.9), (2.0, 0.01)]
  made.write_trial(
    tmp_path / 'results', plan[0], values, 'crashed', HOSTILE, 'error_rate'
  )
  made.write_trial(
    tmp_path / 'results', plan[1], values, 'reached', '', 'error_rate'
  )
  source = rendered(tmp_path / 'results')
  assert HOSTILE not in source
  assert len(Page(source).scripts) == 2
  assert name in [entry['name'] for entry in embedded(source)['entries']]
  assert '{{7*7}}' in source
  _, made_board, made_analysis = scored(tmp_path / 'results')
  figures.write(made_board, made_analysis, tmp_path)


def test_memory_and_learning_rates_are_told_where_they_are_known(tmp_path):
  rates = [0.1, 0.01, 0.001]
  keys = [('x', 'digits', 0, n) for n in (1, 2, 3)]
  plan = made.write_plan(tmp_path / 'results', keys)
  for trial, rate in zip(plan, rates, strict=True):
    trial['hyperparameters'] = {'learning_rate': rate}
    values = [(1.0, 0.9), (9.0, 0.03 + rate)]
    folder = made.write_trial(
      tmp_path / 'results', trial, values, metric='error_rate'
    )
    path = folder / 'attempts.jsonl'
    known = '{"event": "end", "optimizer_bytes": 12345678, '
    known += '"peak_memory_bytes": {"host": 4000000000}, '
    known += '"compiled": {"programs": 9, "found": 3}, '
    path.write_text(path.read_text().replace('{"event": "end", ', known))
  path = tmp_path / 'results' / 'plan.json'
  path.write_text(json.dumps(json.loads(path.read_text()) | {'trials': plan}))
  source = rendered(tmp_path / 'results')
  table = embedded(source)
  [entry] = table['entries']
  assert entry['optimizer'][0] == 12_345_678 and entry['memory'] == 4e9
  assert table['sensitivity'][0]['rates'] == [0.001, 0.01, 0.1]
  assert '9 of 27 programs came from the compilation cache' in source


def test_a_large_board_is_a_small_file(tmp_path):
  """42 submissions, 9 workloads and 3 studies: the largest of ours."""
  source = rendered(many(tmp_path / 'results', 42, 9, 3))
  assert len(source.encode()) < 1_500_000


def test_figures_are_equal_for_equal_boards(race, tmp_path):
  _, found, explained = scored(race / 'results')
  (tmp_path / 'again').mkdir()
  names = figures.write(found, explained, tmp_path)
  assert names == ['profiles.svg', 'profiles.png', 'times.svg', 'times.png']
  assert figures.write(found, explained, tmp_path / 'again') == names
  for name in names:
    content = (tmp_path / name).read_bytes()
    assert len(content) > 10_000
    assert content == (tmp_path / 'again' / name).read_bytes()
