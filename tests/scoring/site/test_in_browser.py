"""The site in a real browser: width, accessibility, darkness, no network."""

import pathlib

import pytest

from scoring.site import build
from tests.support import chromium

pytest.importorskip(
  'playwright.sync_api', reason='Playwright is not installed.'
)
pytestmark = pytest.mark.skipif(
  chromium.PATH is None, reason='Chromium is not installed.'
)
ROOT = pathlib.Path(__file__).parents[3]
NARROW, WIDE = 390, 1280  # Widths of a telephone and of a laptop, in pixels.
KINDS = ('index.html', 'README.html', 'docs/running.html')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
  out = tmp_path_factory.mktemp('made') / 'site'
  build.build(ROOT, out)
  return out


@pytest.fixture(scope='module')
def browser():
  with chromium.launched() as browser:
    yield browser


@pytest.fixture
def opened(browser, site):
  """Opens a page of the site, which may ask for files only."""
  asked, contexts = [], []

  def open_page(name, width=WIDE, scheme='light'):
    context = browser.new_context(
      viewport={'width': width, 'height': 844}, color_scheme=scheme
    )
    contexts.append(context)
    tab = context.new_page()
    tab.on('request', lambda request: asked.append(request.url))
    tab.goto((site / name).as_uri())
    return tab

  yield open_page
  for context in contexts:
    context.close()
  assert [url for url in asked if not url.startswith('file:')] == []


def test_no_page_is_wider_than_a_telephone(opened, site):
  tab = opened('index.html', NARROW)
  pages = [
    p for p in site.rglob('*.html') if not (p.parent / 'report.md').exists()
  ]
  pages += site.glob('docs/leaderboard/*/report.html')
  assert len(pages) > 20
  wide = []
  for path in pages:
    tab.goto(path.as_uri())
    width = tab.evaluate('document.documentElement.scrollWidth')
    wide += [path.name] if width > NARROW else []
  assert wide == []


def test_the_contents_open_on_narrow_screens_and_stand_on_wide_ones(opened):
  tab = opened('docs/running.html', NARROW)
  contents = tab.locator('#contents')
  assert not contents.is_visible()
  tab.get_by_role('button', name='Contents').click()
  assert contents.is_visible()
  tab.get_by_role('link', name='What a result asks you to trust').click()
  assert tab.title().startswith('What a result asks you to trust')
  assert opened('docs/running.html').locator('#contents').is_visible()


def test_it_is_dark_where_that_is_preferred(opened):
  background = 'getComputedStyle(document.body).backgroundColor'
  light = opened('index.html').evaluate(background)
  dark = opened('index.html', scheme='dark').evaluate(background)
  assert light == 'rgb(255, 255, 255)' != dark


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [NARROW, WIDE])
def test_it_is_accessible(opened, scheme, width):
  """axe-core finds nothing: contrast, names, roles, landmarks."""
  axe = pytest.importorskip('axe_playwright_python.sync_playwright')
  for name in KINDS:
    found = axe.Axe().run(opened(name, width, scheme)).response['violations']
    told = [
      (one['id'], [n['html'][:120] for n in one['nodes'][:3]]) for one in found
    ]
    assert not told, name
