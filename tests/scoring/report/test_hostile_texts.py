"""Names and texts of others in what scoring writes stay texts.

What a browser makes of them is in test_page_in_browser.py; this is the same by
structure, for machines without one.
"""

import csv
import io
import json
import re

import pytest

from scoring.load import results as read
from scoring.rank import analysis, board
from scoring.report import export, markdown, sentences, write
from scoring.report.page import render
from tests.scoring.report.page.test_page import Page
from tests.support import hostile, made_results

WAY = re.compile(r'#|\.\./|results/|\w+\.(md|csv|json)$|figures/$')
CONTROLS = re.compile('[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]')


@pytest.fixture(scope='module')
def scored(tmp_path_factory):
  top = tmp_path_factory.mktemp('hostile')
  results = read.read(hostile.race(top / 'results'))
  found = board.make(results)
  return results, found, analysis.make(results, found, draws=20)


def test_no_text_becomes_an_element(scored, tmp_path):
  """The page has the elements of any other page, and the attributes."""
  source = render.render(*scored)
  plain = read.read(made_results.race(tmp_path / 'results'))
  known = board.make(plain)
  usual = render.render(plain, known, analysis.make(plain, known, draws=20))
  found, expected = Page(source), Page(usual)
  allowed = {tag for tag, _ in expected.tags} | {'br', 'small'}
  assert {tag for tag, _ in found.tags} <= allowed
  assert len(found.scripts) == 2
  for tag, attributes in found.tags:
    odd = [name for name in attributes if name.startswith('on')]
    assert not odd, (tag, odd)
    assert WAY.match(attributes.get('href', '#'))
    assert 'src' not in attributes
  told = json.loads(found.scripts[0])
  assert sentences.clean(hostile.TEXT) in told['suite']
  assert not CONTROLS.search(source)


def test_markdown_keeps_its_columns_and_has_no_markup(scored):
  lines = markdown.render(*scored).splitlines()
  assert not CONTROLS.search(''.join(lines))
  width = None
  for line in lines:
    if not line.startswith('|'):
      width = None
      continue
    columns = len(re.findall(r'(?<!\\)(?:\\\\)*\|', line))
    assert width in (None, columns), line[:200]
    width = columns
  heads = [line for line in lines if line.startswith('#')]
  assert all(re.match(r'## [A-Z]|# TimeTrial: ', head) for head in heads)
  whole = '\n'.join(lines)
  whole = whole.replace(markdown.BEGIN, '').replace(markdown.END, '')
  assert not re.search(r'(?<!\\)[<>`*\[]', whole)
  assert not re.search(r'(?<!\\)(&lt;|~~)', whole)


def test_no_cell_of_a_csv_file_is_a_formula(scored):
  """A spreadsheet runs what begins with one of these; JSON has true names."""
  _, found, explained = scored
  for table in (
    export.leaderboard(found, explained).to_csv(index=False),
    export.times_to_target(found).to_csv(),
  ):
    rows = list(csv.reader(io.StringIO(table)))
    assert len(rows) == len(hostile.NAMES) + 1
    assert not [c for row in rows for c in row if c[:1] in set('=+-@\t\r')]
  names = {row[0] for row in rows[1:]}
  assert "'=cmd|calc!A0" in names and '# a\n| b\x07|\\' in names
  told = export.everything(*scored)['leaderboard']
  assert {row['submission'] for row in told} == set(hostile.NAMES)


def test_the_whole_report_is_written(scored, tmp_path):
  write.write(*scored, tmp_path / 'report', figures=True)
  told = (tmp_path / 'report' / 'leaderboard.json').read_text()
  assert json.loads(told)['suite'] == hostile.LONG


def test_thin_spaces_of_large_numbers_are_shown_on_a_terminal():
  """1234 s was shown as `1?234 s`."""
  assert sentences.clean('1\u202f234 s\x1b', '?') == '1\u202f234 s?'
