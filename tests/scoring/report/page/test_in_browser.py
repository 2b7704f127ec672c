"""The page in a real browser, which has no network."""

import re

import pytest

from scoring.load import results as read
from scoring.rank import analysis, board, versus
from scoring.report.page import render
from tests.scoring.report.page.test_page import many
from tests.support import chromium, hostile, made_results as made

pytest.importorskip(
  'playwright.sync_api', reason='Playwright is not installed.'
)
pytestmark = pytest.mark.skipif(
  chromium.PATH is None, reason='Chromium is not installed.'
)


@pytest.fixture(scope='module')
def race(tmp_path_factory):
  """The results of a race."""
  return made.race(tmp_path_factory.mktemp('race') / 'results')


@pytest.fixture(scope='module')
def address(race):
  return written(race.parent, race)


@pytest.fixture(scope='module')
def many_address(tmp_path_factory):
  """A board of 20 submissions."""
  top = tmp_path_factory.mktemp('many')
  return written(
    top, many(top / 'results', 20, 3, 2, reference='submission_number_7')
  )


@pytest.fixture(scope='module')
def hostile_address(tmp_path_factory):
  top = tmp_path_factory.mktemp('hostile')
  return written(top, hostile.race(top / 'results'))


def written(top, folder):
  results = read.read(folder)
  found = board.make(results)
  explained = analysis.make(results, found, draws=50)
  path = top / 'index.html'
  source = render.render(results, found, explained)
  path.write_bytes(source.encode('utf-8', 'replace'))
  return path.as_uri()


@pytest.fixture(scope='module')
def browser():
  with chromium.launched() as browser:
    yield browser


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
    context.set_default_timeout(10_000)
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
  """Return the number of elements that take room on the page."""
  return tab.locator(selector).evaluate_all(
    'all => all.filter((one) => one.getClientRects().length).length'
  )


def names(tab):
  return tab.locator('.ranking tbody th').all_inner_texts()


def state(tab):
  """Return the choices in the address."""
  parts = tab.evaluate('location.hash').lstrip('#').split('&')
  return dict(part.split('=') for part in parts if '=' in part)


def unfold(tab):
  """Open all parts, and those that come with them."""
  closed = 'details:not([open])'
  while tab.locator(closed).count():
    opener = 'all => all.forEach((one) => { one.open = true; })'
    tab.locator(closed).evaluate_all(opener)
    tab.wait_for_timeout(100)


def test_it_opens_without_a_network(opened):
  tab = opened()
  assert tab.title().startswith('mini 0.1, self-tuning ruleset')
  assert shown(tab, 'section') == 7
  assert shown(tab, '.ranking tbody tr') == 5
  assert shown(tab, '.ranking .whisker') == 8  # Scores and bands of four.


def test_headings_sort(opened):
  tab = opened()
  ranking = names(tab)
  head = tab.locator('.ranking th', has_text='Entry')
  head.get_by_role('button').click()
  assert head.get_attribute('aria-sort') == 'ascending'
  assert names(tab) == sorted(ranking) != ranking
  head.get_by_role('button').press('Enter')
  assert head.get_attribute('aria-sort') == 'descending'
  assert names(tab) == sorted(ranking, reverse=True)
  assert tab.locator('.ranking th[aria-sort]').count() == 1
  tab.locator('.ranking th', has_text='digits').get_by_role('button').click()
  assert names(tab)[0].strip() == 'muon'  # Is fastest there, without a rank.
  tab.locator('.ranking th', has_text='Rank').get_by_role('button').click()
  assert names(tab) == ranking


def test_the_measure_of_effort_is_chosen_for_the_whole_page(opened):
  tab = opened()
  before = tab.locator('#compare tbody').inner_text()
  tab.select_option('#choice-effort', 'steps')
  assert state(tab) == {'effort': 'steps'}
  assert 'steps' in tab.locator('#ranking .key').inner_text()
  assert 'steps' in tab.locator('#profiles .axis').text_content()
  assert 'steps' in tab.locator('.workload summary').first.inner_text()
  assert tab.locator('#compare tbody').inner_text() != before
  tab.select_option('#choice-as', 'effort')
  told = tab.locator('.ranking td.heat').first.inner_text()
  assert float(told.replace('\u202f', '')) > 40
  again = opened(at=tab.url)
  assert again.locator('#choice-effort').input_value() == 'steps'
  assert again.locator('.ranking td.heat').first.inner_text() == told


def test_times_can_be_shown_as_speeds_hours_and_prices(opened):
  tab = opened()
  row = tab.locator('.ranking tbody tr', has_text='nadamw')
  tab.select_option('#choice-as', 'speed')
  assert row.locator('.heat').first.inner_text() == '1.00×'
  tab.select_option('#choice-as', 'hours')
  hours = float(row.locator('.heat').first.inner_text())
  tab.select_option('#choice-as', 'price')
  tab.locator('#choice-price').fill('2.5')
  tab.locator('#choice-price').press('Enter')
  price = float(row.locator('.heat').first.inner_text())
  assert price == pytest.approx(2.5 * hours, rel=0.01)
  assert state(tab) == {'as': 'price', 'price': '2.5'}
  tab.select_option('#choice-effort', 'steps')
  assert row.locator('.heat').first.inner_text() != '0'


def test_entries_are_found_by_name_and_by_kind(opened):
  tab = opened()
  tab.locator('#choice-q').type('LIO')
  assert [name.strip() for name in names(tab)] == ['lion']
  assert shown(tab, '#entries .entry') == 1
  assert tab.locator('#choice-q').evaluate(
    'it => it === document.activeElement'
  )
  tab.locator('#choice-q').fill('none of these')
  assert 'No entry fits' in tab.locator('#ranking').inner_text()
  tab.locator('.more').click()
  assert len(names(tab)) == 5 and state(tab) == {}
  tab.select_option('#choice-kind', 'baselines')
  assert [name.strip() for name in names(tab)] == ['nadamw']


def test_ten_and_the_reference_are_shown_of_many(opened, many_address):
  tab = opened(at=many_address)
  assert len(names(tab)) == 11
  tab.locator('.more').click()
  assert len(names(tab)) == 20
  assert state(tab) == {'all': '1'}
  tab.locator('.more').click()
  assert len(names(tab)) == 11


def test_chosen_entries_are_coloured_everywhere(opened):
  tab = opened()
  last = tab.locator('.ranking tbody tr', has_text='sgd_momentum')
  grey = '#profiles .grey[data-entry]'
  before = tab.locator(grey).count()
  button = last.get_by_role('button')
  button.click()
  assert state(tab) == {'pick': 'sgd_momentum'}
  assert last.get_by_role('button').get_attribute('aria-pressed') == 'true'
  assert tab.locator(grey).count() == before - 1
  assert 'sgd_momentum' in tab.locator('#profiles .label').last.text_content()
  last.get_by_role('button').press('Enter')
  assert tab.locator(grey).count() == before


def test_two_entries_are_compared_as_the_command_does(opened, race):
  """`timetrial verdict` and the page must say the same."""
  results = read.read(race)
  found = board.make(results)
  known = versus.compare(found, 'lion', 'sgd_momentum', results.budgets)
  tab = opened()
  tab.select_option('#compare-a', 'lion')
  tab.select_option('#compare-b', 'sgd_momentum')
  words = tab.locator('.verdict').inner_text()
  numbers = [float(x) for x in re.findall(r'\d\.\d\d', words)]
  assert numbers[0] == pytest.approx(known.factor, abs=0.006)
  assert numbers[1:3] == pytest.approx([known.low, known.high], rel=0.05)
  cells = tab.locator('.compared tbody tr').all_inner_texts()
  for name, factor in known.cells.items():
    [row] = [row for row in cells if name in row]
    assert f'{factor:.2f}' in row
  assert state(tab) == {'a': 'lion', 'b': 'sgd_momentum'}
  tab.get_by_role('button', name='Swap').click()
  swapped = tab.locator('.verdict').inner_text()
  assert float(re.search(r'\d\.\d\d', swapped)[0]) == pytest.approx(
    1 / known.factor, abs=0.02
  )
  tab.locator('#compare summary').click()
  tab.locator('#compare .panels svg').first.wait_for()
  assert shown(tab, '#compare .panels svg') == 3


def test_workloads_and_entries_are_drawn_when_they_are_opened(opened):
  tab = opened()
  assert shown(tab, '.workload svg') == 0
  tab.locator('.workload summary').nth(1).click()
  tab.locator('.workload svg').first.wait_for()
  assert shown(tab, '.workload svg') == 3  # Times, curves and clock.
  assert state(tab) == {'open': 'criteo1tb%252Fmini'}
  again = opened(at=tab.url)
  again.locator('.workload svg').first.wait_for()
  assert shown(again, '.workload svg') == 3
  tab.locator('.entry > summary').first.click()
  tab.locator('.entry dl').first.wait_for()
  assert 'learning_rate' in tab.locator('.entry').first.inner_text()
  tab.locator('.entry details summary').first.click()
  tab.locator('.entry .trials').first.wait_for()
  assert shown(tab, '.entry .trials tbody tr') == 9


def test_doubts_tell_what_is_open_and_how_to_make_the_board(opened):
  tab = opened()
  doubt = tab.locator('#doubt')
  assert 'timetrial run --suite=mini' in doubt.inner_text()
  unfold(tab)
  text = doubt.inner_text()
  assert 'Study 2, trial 1' in text or 'not run' in text
  assert 'ab12cd34ef56' in text
  assert doubt.locator('.matrix td').count() == 25


def test_values_are_shown_by_mouse_and_by_keyboard(opened):
  tab = opened()
  tip = tab.locator('#tip')
  assert not tip.is_visible()
  tab.locator('.ranking td.heat').first.hover()
  assert 'studies:' in tip.inner_text()
  tab.mouse.move(0, 0)
  assert not tip.is_visible()
  chart = tab.locator('#ranking [data-walk]').first
  chart.focus()
  told = []
  for _ in range(3):
    tab.keyboard.press('ArrowRight')
    assert tip.is_visible()
    told.append(tip.inner_text())
  assert len(set(told)) == 3
  tab.keyboard.press('Escape')
  assert not tip.is_visible()


def test_sections_are_reached_and_not_covered(opened):
  tab = opened()
  tab.select_option('#choice-effort', 'steps')
  for link in tab.locator('nav a').all():
    link.click()
    name = link.get_attribute('href')
    bar = tab.locator('#bar').bounding_box()
    head = tab.locator(f'{name} h2').bounding_box()
    assert head['y'] >= bar['y'] + bar['height'] - 1, name
    assert tab.evaluate('location.hash') == f'{name}&effort=steps'
    assert tab.locator('#choice-effort').is_visible()


def test_heads_stay_in_view(opened, many_address):
  tab = opened(at=f'{many_address}#&all=1', width=1280)
  tab.mouse.wheel(0, 500)
  tab.wait_for_timeout(100)
  head = tab.locator('.ranking thead th').first.bounding_box()
  bar = tab.locator('#bar').bounding_box()
  assert abs(bar['y']) < 2
  assert bar['height'] - 4 <= head['y'] + 2
  assert head['y'] < 60


@pytest.mark.parametrize('width', [390, 760, 1280])
def test_the_page_never_scrolls_sideways(opened, width):
  tab = opened(width=width)
  unfold(tab)
  wide = tab.evaluate('document.documentElement.scrollWidth')
  assert wide <= width


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [390, 1280])
def test_it_is_accessible(opened, width, scheme):
  """axe-core finds nothing, with all parts open: contrast, names, roles."""
  axe = pytest.importorskip('axe_playwright_python.sync_playwright')
  tab = opened(width=width, color_scheme=scheme)
  unfold(tab)
  found = axe.Axe().run(tab).response['violations']
  told = [
    (one['id'], [n['html'][:120] for n in one['nodes'][:3]]) for one in found
  ]
  assert not told


def test_it_is_dark_where_that_is_preferred(opened):
  background = 'getComputedStyle(document.body).backgroundColor'
  light = opened(color_scheme='light').evaluate(background)
  dark = opened(color_scheme='dark').evaluate(background)
  assert light == 'rgb(255, 255, 255)' != dark


def test_what_is_open_is_printed(opened):
  tab = opened()
  tab.locator('.workload summary').first.click()
  tab.emulate_media(media='print')
  assert not tab.locator('#choice').is_visible()
  assert tab.locator('.workload svg').first.is_visible()
  assert tab.pdf()[:4] == b'%PDF'


def test_it_is_readable_without_scripts(opened):
  tab = opened(java_script_enabled=False)
  assert not tab.locator('#choice').is_visible()
  assert tab.locator('#ranking tbody tr').count() == 5
  assert 'reached' in tab.locator('#ranking').inner_text().lower()


def test_a_broken_address_chooses_nothing(opened, address):
  tab = opened(
    at=f'{address}#&effort=none&sort=%E0%A4%A&pick=nobody&a=x&as=&open=%'
  )
  assert len(names(tab)) == 5
  assert tab.locator('#choice-effort').input_value() == 'seconds'


@pytest.mark.parametrize('width', [390, 1180])
def test_hostile_names_run_nothing_and_do_not_widen_the_page(
  opened, hostile_address, width
):
  """Names of 5,000 characters made it scroll sideways."""
  tab = opened(width=width, at=hostile_address)
  assert tab.locator('script').count() == 2
  assert not tab.locator('img, iframe, object, embed, main script').count()
  assert tab.locator('.ranking tbody tr').count() == len(hostile.NAMES)
  tab.locator('.pick').nth(2).click()
  tab.select_option('#compare-a', index=1)
  unfold(tab)
  tab.locator('.ranking th button').nth(4).click()
  for mark in ('.ranking td.heat', '.ranking .plot', '.workload .dot'):
    tab.locator(mark).first.hover(force=True)
    wide = tab.evaluate('document.documentElement.scrollWidth')
    assert wide <= width, mark
  assert tab.evaluate('typeof window.hurt') == 'undefined'
  again = opened(width=width, at=tab.url)
  assert again.locator('.pick[aria-pressed=true]').count() == 1
