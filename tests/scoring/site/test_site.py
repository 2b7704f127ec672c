"""The site of this repository: all links lead somewhere, nothing is loaded."""

import html.parser
import pathlib
import posixpath
import re
import urllib.parse

import pytest

from scoring.site import boards, build, documents

ROOT = pathlib.Path(__file__).parents[3]
# Attributes from which a browser loads, and those that a reader follows.
LOADED = ('src', 'srcset', 'poster', 'data', 'background', 'xlink:href')
LOADING = ('link', 'use', 'image')  # Their href is loaded, too.
FOLLOWED = ('a', 'area', 'form', 'iframe')


class Page(html.parser.HTMLParser):
  """Links, loaded files and anchors of a page."""

  def __init__(self, path):
    super().__init__()
    self.links, self.loaded, self.anchors = [], [], set()
    self.styles = ''
    self.within = ''
    self.feed(path.read_text(encoding='utf-8'))

  def handle_starttag(self, tag, attrs):
    self.within = tag
    for name, value in attrs:
      if name == 'id':
        assert value not in self.anchors, f'{value} twice'
        self.anchors.add(value)
      elif name == 'style':
        self.styles += value
      elif name in LOADED or (name == 'href' and tag in LOADING):
        self.loaded.append(value)
      elif name == 'href':
        self.links.append(value)

  def handle_data(self, data):
    if self.within == 'style':
      self.styles += data


def imports(styles):
  """Return everything that a style sheet loads."""
  return re.findall(r'url\((?!#)[^)]*\)|@import[^;]*', styles)


@pytest.fixture(scope='module')
def site(tmp_path_factory):
  out = tmp_path_factory.mktemp('made') / 'site'
  build.build(ROOT, out)
  return out


@pytest.fixture(scope='module')
def pages(site):
  """All pages and drawings: path in the site to what it has."""
  return {
    path.relative_to(site).as_posix(): Page(path)
    for path in (*site.rglob('*.html'), *site.rglob('*.svg'))
  }


def followed(name, link):
  """Path in the site, and the anchor, that a link of a page leads to."""
  assert not link.startswith('/'), f'{name}: {link} needs a site at the root.'
  path, _, anchor = link.partition('#')
  folder = pathlib.PurePosixPath(name).parent
  whole = posixpath.normpath(folder / urllib.parse.unquote(path))
  return whole if path else name, anchor


def test_every_link_and_picture_leads_to_a_file_of_the_site(site, pages):
  count = 0
  for name, page in pages.items():
    for link in (*page.links, *page.loaded):
      if re.match(r'(https?|mailto|data):', link):
        continue
      path, anchor = followed(name, link)
      assert (site / path).is_file(), f'{name} links to {link}.'
      if anchor:
        assert anchor in pages[path].anchors, f'{name} links to {link}.'
      count += 1
  assert count > 1000


def test_a_board_leads_back_to_the_list_of_boards(pages):
  found = [name for name in pages if name.startswith(boards.FOLDER)]
  found = [name for name in found if name.endswith(boards.PAGE)]
  assert len(found) > 1
  for name in found:
    assert 'index.html' in {followed(name, x)[0] for x in pages[name].links}


def test_nothing_is_loaded_from_outside(site, pages):
  for name, page in pages.items():
    outside = [one for one in page.loaded if documents.outside(one)]
    assert [one for one in outside if not one.startswith('data:')] == [], name
    assert imports(page.styles) == [], name
  for path in site.rglob('*.css'):
    assert imports(path.read_text(encoding='utf-8')) == []


def test_every_file_is_reached_from_the_first_page(site, pages):
  found, waiting = set(), ['index.html']
  while waiting:
    name = waiting.pop()
    if name in found:
      continue
    found.add(name)
    if page := pages.get(name):
      links = (*page.links, *page.loaded)
      waiting += [
        followed(name, link)[0] for link in links if not documents.outside(link)
      ]
  made = {
    p.relative_to(site).as_posix() for p in site.rglob('*') if p.is_file()
  }
  assert made - found == {build.LIST}


def test_every_document_and_every_board_has_a_page(pages):
  sources = [
    *ROOT.glob('*.md'),
    *ROOT.glob('docs/*.md'),
    *ROOT.glob('docs/benchmarks/*.md'),
    *ROOT.glob('docs/leaderboard/*/report.md'),
    *ROOT.glob('docs/leaderboard/*/index.html'),
  ]
  names = [p.relative_to(ROOT).with_suffix('.html').as_posix() for p in sources]
  assert len(names) > 25
  assert [name for name in names if name not in pages] == []


README = """# Home

[place](docs/glossary.md#a-b) [source](scoring/x.py) [file](/etc/passwd)
[script](javascript:alert(1)) <script>alert(1)</script> ![far](https://a.b/c.png)
[![gone](gone.png)](docs/glossary.md) [paper](https://arxiv.org/abs/1412.6980)

# Home
"""
REPORT = """# TimeTrial: \\<b\\>mini 0.1

self-tuning ruleset · 1 submission, 1 workload, 1 trial · 2026-11-27

a\\*b\\* leads.
"""


@pytest.fixture
def small(tmp_path):
  """A repository whose only board has a name that a link must quote."""
  root = tmp_path / 'repository'
  board = root / 'docs' / 'leaderboard' / 'a b#c?d%20'
  board.mkdir(parents=True)
  (root / 'README.md').write_text(README)
  (root / 'docs' / 'glossary.md').write_text('# Words\n\n## A, b\n')
  (board / 'index.html').write_text('<p id="x">board</p>')
  (board / 'report.md').write_text(REPORT)
  return root


def test_texts_and_names_of_others_stay_texts_and_names(small, tmp_path):
  out = tmp_path / 'site'
  build.build(small, out)
  page = (out / 'README.html').read_text()
  article = page.partition('<article>')[2].partition('</article>')[0]
  assert 'href="docs/glossary.html#a-b"' in article
  assert 'source (<code>scoring/x.py</code>)' in article
  assert 'file (<code>' in article
  assert not re.search(r'<script|<img|="javascript|href="/', article)
  assert '<h1 id="home-1">' in article
  first = (out / 'index.html').read_text()
  assert '&lt;b&gt;mini 0.1' in first and 'a*b* leads.' in first
  for path in out.rglob('*.html'):
    name = path.relative_to(out).as_posix()
    for link in Page(path).links:
      if not documents.outside(link):
        assert (out / followed(name, link)[0]).is_file(), (name, link)


def test_a_site_takes_the_place_of_an_older_one_and_of_nothing_else(
  small, tmp_path
):
  """A list that named ../precious once made the next site delete it."""
  out, precious = tmp_path / 'site', tmp_path / 'precious'
  precious.write_text('')
  build.build(small, out)
  kept, gone = out / 'mine.html', out / 'docs' / 'glossary.html'
  kept.write_text('')
  (out / 'docs' / 'old.html').write_text('')
  with (out / build.LIST).open('a') as file:
    file.write(f'../precious\n{precious}\ndocs/old.html\n')
  build.build(small, out)
  assert precious.exists() and kept.exists() and gone.exists()
  assert not (out / 'docs' / 'old.html').exists()
  other = tmp_path / 'other'
  other.mkdir()
  (other / 'data.csv').write_text('')
  (other / build.LIST).write_text('data.csv\n')
  with pytest.raises(ValueError, match=r'no site of TimeTrial.*--out=DIR'):
    build.build(small, other)
  assert (other / 'data.csv').exists()


@pytest.mark.parametrize(
  ('remove', 'said'),
  [
    ('docs/leaderboard', 'has no board. .*timetrial score'),
    ('docs/leaderboard/*/report.md', "no file report.md. .*--out='"),
    ('README.md', 'has no document README.md'),
    ('docs/glossary.md', 'has no document docs/glossary.md'),
  ],
)
def test_what_is_missing_is_said_clearly(small, tmp_path, remove, said):
  [path] = small.glob(remove)
  path.rename(tmp_path / 'moved')
  with pytest.raises(ValueError, match=said):
    build.build(small, tmp_path / 'site')
  assert not (tmp_path / 'site').exists()
