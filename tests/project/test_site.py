"""The site of `make site`: every link leads somewhere, nothing is loaded."""

import html.parser
import posixpath
import urllib.parse

import pytest

from tests.support import site


class Links(html.parser.HTMLParser):
  """Links, loaded files and anchors of a page."""

  def __init__(self, text):
    super().__init__()
    self.links, self.loaded, self.ids = [], [], set()
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    facts = dict(attrs)
    if 'id' in facts:
      self.ids.add(facts['id'])
    if tag == 'a' and 'href' in facts:
      self.links.append(facts['href'])
    if 'src' in facts or tag == 'link':
      self.loaded.append(facts.get('src') or facts['href'])


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """The folder of the site, and its pages but for those of boards."""
  out = tmp_path_factory.mktemp('site') / 'site'
  site.make(site.TOP, out)
  pages = {
    path.relative_to(out).as_posix(): Links(path.read_text(encoding='utf-8'))
    for path in out.rglob('*.html')
  }
  return out, pages


def test_every_link_leads_to_a_file_and_an_anchor(made):
  out, pages = made
  followed = 0
  for name, page in pages.items():
    for link in page.links:
      if site.OUTSIDE.match(link):
        continue
      path, _, part = urllib.parse.unquote(link).partition('#')
      target = name
      if path:
        target = posixpath.normpath(
          posixpath.join(posixpath.dirname(name), path)
        )
      assert (out / target).is_file(), (name, link)
      if part and target in pages:
        assert part in pages[target].ids, (name, link)
      followed += 1
  assert followed > 300


def test_nothing_is_loaded_from_outside(made):
  out, pages = made
  for name, page in pages.items():
    for link in page.loaded:
      assert not site.OUTSIDE.match(link), (name, link)
      whole = posixpath.join(posixpath.dirname(name), link)
      assert (out / posixpath.normpath(whole)).is_file(), (name, link)


def test_the_index_says_what_each_board_is(made):
  text = (made[0] / 'index.html').read_text(encoding='utf-8')
  for board in site.TOP.glob('docs/leaderboard/*/report.md'):
    title, headline = board.read_text(encoding='utf-8').split('\n\n')[:3:2]
    assert title.removeprefix('# TimeTrial: ') in text
    assert headline[:60] in text


def test_an_older_site_is_replaced_and_other_folders_are_not(tmp_path):
  (tmp_path / 'mine.txt').write_text('keep')
  with pytest.raises(site.SiteError, match='holds other files'):
    site.make(site.TOP, tmp_path)
  assert (tmp_path / 'mine.txt').read_text() == 'keep'
  with pytest.raises(site.SiteError, match='make leaderboard'):
    site.make(tmp_path, tmp_path / 'site')


def test_anchors_are_those_of_code_hosts():
  seen = {}
  assert site.anchor('What `check` allows', seen) == 'what-check-allows'
  assert site.anchor('A, b & c', seen) == 'a-b--c'
  assert site.anchor('A, b & c', seen) == 'a-b--c-1'
