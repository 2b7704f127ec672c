"""The page in a real browser, which has no network."""

import re
import shutil

import pytest

from scoring.load import results as read
from scoring.rank import analysis, board
from scoring.report import page
from tests.support import hostile, made_results as made

sync_api = pytest.importorskip(
  'playwright.sync_api', reason='Playwright is not installed.'
)
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
pytestmark = pytest.mark.skipif(
  CHROMIUM is None, reason='Chromium is not installed.'
)


@pytest.fixture(scope='module')
def address(tmp_path_factory):
  top = tmp_path_factory.mktemp('race')
  return written(top, made.race(top / 'results'))


@pytest.fixture(scope='module')
def hostile_address(tmp_path_factory):
  top = tmp_path_factory.mktemp('hostile')
  return written(top, hostile.race(top / 'results'))


def written(top, folder):
  results = read.read(folder)
  found = board.make(results)
  explained = analysis.make(results, found, draws=50)
  path = top / 'index.html'
  source = page.render(results, found, explained, top)
  path.write_bytes(source.encode('utf-8', 'replace'))
  return path.as_uri()


@pytest.fixture(scope='module')
def browser():
  with sync_api.sync_playwright() as playwright:
    browser = playwright.chromium.launch(
      executable_path=CHROMIUM, args=['--no-sandbox']
    )
    yield browser
    browser.close()


@pytest.fixture
def opened(browser, address):
  """Opens the page; at the end, nothing may have gone wrong in it."""
  problems, contexts = [], []

  def asked(request):
    if not request.url.startswith('file://'):
      problems.append(request.url)

  def open_page(width=1180, at=address, **options):
    context = browser.new_context(
      viewport={'width': width, 'height': 900}, **options
    )
    context.set_offline(True)
    contexts.append(context)
    tab = context.new_page()
    tab.on('request', asked)
    tab.on('requestfailed', lambda request: problems.append(request.url))
    tab.on('pageerror', lambda error: problems.append(str(error)))
    tab.on('dialog', lambda dialog: problems.append(dialog.message))
    tab.on('console', lambda message: problems.append(message.text))
    tab.goto(at)
    return tab

  yield open_page
  for context in contexts:
    context.close()
  assert not problems


def shown(tab, selector):
  """How many elements take room on the page."""
  return tab.locator(selector).evaluate_all(
    'all => all.filter((one) => one.getClientRects().length).length'
  )


def names(tab):
  return tab.locator('#board-table tbody th').all_inner_texts()


def test_it_opens_without_a_network(opened):
  tab = opened()
  assert tab.title().startswith('TimeTrial')
  assert shown(tab, 'section') == 10
  assert shown(tab, '#curves .panels svg') == 15


def test_headings_sort(opened):
  tab = opened()
  ranking = names(tab)
  head = tab.locator('#board-table th', has_text='Submission')
  head.get_by_role('button').click()
  assert head.get_attribute('aria-sort') == 'ascending'
  assert names(tab) == sorted(ranking) != ranking
  head.get_by_role('button').press('Enter')
  assert head.get_attribute('aria-sort') == 'descending'
  assert names(tab) == sorted(ranking, reverse=True)
  assert tab.locator('#board-table th[aria-sort]').count() == 1
  tab.locator('#board-table th', has_text='Rank').get_by_role('button').click()
  assert names(tab) == ranking


PARTS = (  # All of one submission, the third on the board.
  '#board-table tr[data-who="2"]',
  '#times tr[data-who="2"]',
  '#times .line[data-who="2"]',
  '#curves figure[data-who="2"]',
  '#profiles g[data-who="2"] .curve',
  '#profiles g[data-who="2"] .band',
  '.matrix td[data-who="2"]',
  '#trials details[data-who="2"]',
)


@pytest.mark.parametrize('way', ['mouse', 'keyboard'])
def test_submissions_can_be_hidden_and_brought_back(opened, way):
  tab = opened()
  box = tab.locator('#filter input').nth(2)

  def toggle():
    if way == 'mouse':
      box.locator('..').click()
    else:
      box.focus()
      tab.keyboard.press('Space')

  before = [shown(tab, part) for part in PARTS]
  assert all(before)
  toggle()
  assert not box.is_checked()
  assert [shown(tab, part) for part in PARTS] == [0] * len(PARTS)
  assert shown(tab, '#board-table tbody tr') == 4
  assert tab.locator('#filter output').inner_text() == '4 of 5'
  toggle()
  assert [shown(tab, part) for part in PARTS] == before


def test_none_and_all(opened):
  tab = opened()
  tab.locator('#filter button[value=none]').press('Enter')
  assert shown(tab, '[data-who]') == 0
  tab.locator('#filter button[value=all]').press('Enter')
  assert shown(tab, '#board-table tbody tr') == 5


def test_others_stay_where_they_are_drawn_by_reference(opened):
  """The grey curves behind a panel are of those only that are shown."""
  tab = opened()
  panel = tab.locator('#curves .panels svg').first
  before = panel.screenshot()
  for box in tab.locator('#filter input').all()[1:]:
    box.uncheck()
  assert panel.screenshot() != before
  tab.locator('#filter button[value=all]').click()
  tab.mouse.move(0, 0)
  assert panel.screenshot() == before


def test_intervals_are_shown(opened):
  tab = opened()
  assert shown(tab, '#board-table .whisker') == 5
  text = tab.locator('#board-table tbody tr').first.inner_text()
  assert re.search(r'0\.\d{3}\s–\s0\.\d{3}', text)
  assert text.split()[0] == '1'


def test_values_are_shown_by_mouse_and_by_keyboard(opened):
  tab = opened()
  tip = tab.locator('#tip')
  assert not tip.is_visible()
  tab.locator('#times .dots .dot').first.hover()
  assert 'study 0: reached in' in tip.inner_text()
  tab.mouse.move(0, 0)
  assert not tip.is_visible()
  chart = tab.locator('#times [data-walk]').first
  chart.focus()
  told = []
  for _ in range(3):
    tab.keyboard.press('ArrowRight')
    assert tip.is_visible()
    told.append(tip.inner_text())
  assert len(set(told)) == 3
  tab.keyboard.press('Escape')
  assert not tip.is_visible()


@pytest.mark.parametrize('width', [390, 760, 1180])
def test_scores_are_not_drawn_over_the_next_column(opened, width):
  """They were, where the table was narrower than bar and number."""
  row = opened(width=width).locator('#board-table tbody tr').first
  score = row.locator('.meter > span').bounding_box()
  reached = row.locator('td').nth(2).bounding_box()
  assert score['x'] + score['width'] <= reached['x']


def test_a_telephone_shows_it_all_without_scrolling_sideways(opened):
  tab = opened(width=390)
  wide = tab.evaluate('document.documentElement.scrollWidth')
  assert wide <= 390


def test_it_is_dark_where_that_is_preferred(opened):
  background = 'getComputedStyle(document.body).backgroundColor'
  light = opened(color_scheme='light').evaluate(background)
  dark = opened(color_scheme='dark').evaluate(background)
  assert light == 'rgb(255, 255, 255)' != dark


def test_print_unfolds_everything(opened):
  tab = opened()
  table = tab.locator('#trials table').first
  assert not table.is_visible()
  tab.emulate_media(media='print')
  assert table.is_visible()
  assert table.bounding_box()['height'] > 50
  assert not tab.locator('#filter').is_visible()
  assert tab.pdf()[:4] == b'%PDF'
  tab.emulate_media(media='screen')
  assert not table.is_visible()


def test_it_is_readable_without_scripts(opened):
  tab = opened(java_script_enabled=False)
  assert not tab.locator('#filter').is_visible()
  assert tab.locator('#board-table tbody tr').count() == 5
  tab.locator('#trials summary').first.click()
  assert tab.locator('#trials table').first.is_visible()


@pytest.mark.parametrize('width', [390, 1180])
def test_hostile_names_run_nothing_and_do_not_widen_the_page(
  opened, hostile_address, width
):
  """Names of 5,000 characters made it scroll sideways."""
  tab = opened(width=width, at=hostile_address)
  assert tab.locator('script').count() == 2
  assert not tab.locator('img, iframe, object, embed, b b, main script').count()
  assert tab.locator('#board-table tbody tr').count() == len(hostile.NAMES)
  for summary in tab.locator('summary').all()[:3]:
    summary.click()
  tab.locator('#board-table th button').first.click()
  tab.locator('#filter input').first.uncheck()
  tab.locator('#filter button[value=all]').click()
  for mark in ('.chip', '#times .dots .dot', '#curves svg .hit'):
    tab.locator(mark).first.hover(force=True)
    wide = tab.evaluate('document.documentElement.scrollWidth')
    assert wide <= width, mark
  assert tab.evaluate('typeof window.hurt') == 'undefined'
