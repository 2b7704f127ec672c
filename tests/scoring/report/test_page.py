"""The page of the report, without a browser, and the static figures."""

import html.parser
import json
import re

import pytest

from scoring.load import results as read
from scoring.rank import analysis, board
from scoring.report import dot_chart, figures, page
from tests.support import made_results as made

HOSTILE = '</script><script>alert(1)</script>'


class Page(html.parser.HTMLParser):
  """Everything a page opens, and whether it is well nested."""

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


def rendered(folder, out, rules=None):
  return page.render(*scored(folder, rules), out)


def many(folder, submissions=20, workloads=8, studies=3, trials=1):
  """A race as large as that, with 30 evaluations a trial."""
  row = made.RULES['workloads']['criteo1tb/mini']
  names = ['criteo1tb', 'fastmri', 'imagenet_resnet', 'imagenet_vit']
  names += ['librispeech_conformer', 'librispeech_deepspeech', 'ogbg', 'wmt']
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
    made.RULES | {'workloads': dict.fromkeys(names, row)},
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
  """A race and its page."""
  top = tmp_path_factory.mktemp('race')
  made.race(top / 'results')
  (top / 'report').mkdir()
  source = rendered(top / 'results', top / 'report')
  (top / 'report' / 'index.html').write_text(source)
  return top


def test_the_page_stands_alone_and_is_well_formed(race):
  source = (race / 'report' / 'index.html').read_text()
  assert not re.search(r'(?:src|href|url|@import)\W{1,3}(?:https?:)?//', source)
  assert '//' not in re.sub(
    r'<script.*?</script>|// .*', '', source, flags=re.S
  )
  found = Page(source)
  names = [tag for tag, _ in found.tags]
  assert 'img' not in names and 'link' not in names
  for tag, attributes in found.tags:
    if tag == 'svg':
      named = attributes.get('role') == 'img' and attributes['aria-label']
      assert named or attributes.get('aria-hidden') == 'true'
    if tag == 'th':
      assert attributes['scope'] in ('col', 'row')
  assert names.count('table') == names.count('caption')
  ids = [a['id'] for _, a in found.tags if 'id' in a]
  assert len(ids) == len(set(ids))
  uses = {a['href'][1:] for t, a in found.tags if t == 'use'}
  jumps = {
    a['href'][1:]
    for t, a in found.tags
    if t == 'a' and a['href'].startswith('#')
  }
  assert uses | jumps <= set(ids)


def test_links_lead_to_the_trials(race):
  found = Page((race / 'report' / 'index.html').read_text())
  links = {a['href'] for t, a in found.tags if t == 'a' and '_jax' in a['href']}
  assert len(links) == 44  # One of 45 was not run.
  for link in links:
    assert (race / 'report' / link / 'trial.json').is_file()


def test_pages_of_equal_results_are_equal(race):
  again = rendered(race / 'results', race / 'report')
  assert again == (race / 'report' / 'index.html').read_text()


def test_intervals_and_reasons_are_told(race):
  source = (race / 'report' / 'index.html').read_text()
  assert source.count('class="whisker"') == 5
  assert source.count('class="band ') == 5
  assert 'best 21.66, 0.75 % short' in source  # Of lion, which missed.
  assert 'a miss takes the whole budget' in source
  assert 'rather too narrow than too wide' in source
  assert 'This board applies all rules as documented.' in source


def test_one_study_says_nothing_of_noise(tmp_path):
  source = rendered(many(tmp_path / 'results', 2, 2, 1), tmp_path)
  assert 'class="whisker"' not in source
  assert source.count('With one study, the noise between runs is unknown') == 1
  Page(source)


def test_a_miss_is_drawn_where_it_was_given_up(race):
  _, found, _ = scored(race / 'results')
  cells = {s.submission: s.cells for s in found.standings}
  marks = dot_chart.marks(cells['sgd_momentum']['finewebedu_lm/mini'])
  assert [mark.kind for mark in marks] == ['censored'] * 3
  assert [mark.outcome for mark in marks] == ['budget', 'diverged', 'budget']
  assert all(0 < mark.seconds < 121.6 for mark in marks)
  marks = dot_chart.marks(cells['muon']['finewebedu_lm/mini'])
  assert [mark.kind for mark in marks] == ['hit', 'open', 'open']


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
  source = rendered(tmp_path / 'results', tmp_path)
  assert HOSTILE not in source
  bold = re.findall(r'<b>[^<]*', source.replace('<wbr>', ''))
  assert {text[3:] for text in bold} <= set(made.RULES['workloads'])
  found = Page(source)
  assert len(found.scripts) == 2
  table = json.loads(found.scripts[0])
  assert name in [row['submission'] for row in table['leaderboard']]
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
  source = rendered(tmp_path / 'results', tmp_path)
  assert '12.3 MB<small>host 4 GB</small>' in source
  assert '0.001, 0.01, 0.1' in source
  assert '9 of 27 programs came from the compilation cache' in source


def test_a_board_of_twenty_submissions_is_below_a_megabyte(tmp_path):
  source = rendered(many(tmp_path / 'results'), tmp_path)
  assert len(source.encode()) < 1_000_000
  assert len(Page(source).tags) > 1000


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
