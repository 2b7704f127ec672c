"""Markdown as HTML: anchors, links, pictures and tables."""

import pytest

from scoring.site import documents

PLACES = {
  'README.md': 'README.html',
  'docs/a.md': 'docs/a.html',
  'docs/b c.md': 'docs/b c.html',
  'docs/benchmarks': 'docs/benchmarks/README.html',
  'docs/picture.png': 'docs/picture.png',
}


def shown(text):
  return documents.render(text, 'docs/a.md', PLACES).html


def anchors(*headings):
  text = '\n\n'.join(f'## {heading}' for heading in headings)
  found = documents.render(text, 'docs/a.md', PLACES).headings
  return [heading.anchor for heading in found]


@pytest.mark.parametrize(
  ('heading', 'anchor'),
  [
    ('Two commands', 'two-commands'),
    ('What `check` allows', 'what-check-allows'),
    ('A, b & c', 'a-b--c'),
    ('Worlds: *problems* [unseen](x)', 'worlds-problems-unseen'),
    ('snake_case — and dashes', 'snake_case--and-dashes'),
    ('Größe 10 %', 'größe-10-'),
  ],
)  # fmt: skip
def test_anchors_are_those_of_github(heading, anchor):
  assert anchors(heading) == [anchor]


def test_repeated_headings_have_numbers():
  assert anchors('Added', 'Added', 'Added-1', 'Added') == [
    'added', 'added-1', 'added-1-1', 'added-2',
  ]  # fmt: skip


@pytest.mark.parametrize(
  ('link', 'target'),
  [
    ('../README.md', '../README.html'),
    ('../README.md#two-commands', '../README.html#two-commands'),
    ('#here', '#here'),
    ('b%20c.md', 'b%20c.html'),
    ('benchmarks', 'benchmarks/README.html'),
    ('benchmarks/', 'benchmarks/README.html'),
    ('https://arxiv.org/abs/1412.6980', 'https://arxiv.org/abs/1412.6980'),
    ('../../other/README.md', None),
    ('../runner/planning.py', None),
  ],
)
def test_links_lead_to_pages_of_the_site(link, target):
  assert documents.href(link, 'docs/a.md', PLACES) == target


def test_a_link_to_a_source_becomes_code():
  assert '<p>In <code>plan.py</code>.</p>' in shown(
    'In [plan.py](../x/plan.py).'
  )
  assert '<p><code>x/plan.py</code></p>' in shown('[`x/plan.py`](../x/plan.py)')
  assert '<p>the <em>plan</em> (<code>x/plan.py</code>)</p>' in shown(
    '[the *plan*](../x/plan.py#L3)'
  )


def test_pictures_are_files_of_the_site_or_words():
  assert 'src="picture.png"' in shown('![A picture](picture.png)')
  assert 'src' not in shown('![A picture](missing.png)')
  far = shown('![A "picture"](https://example.org/p.png)')
  assert '<a href="https://example.org/p.png">A &quot;picture&quot;</a>' in far
  assert '<img' not in far


def test_no_foreign_html_and_no_script_reaches_a_page():
  text = '<script>a()</script>\n\n<!-- begin -->\n\na <b onclick="x()">b</b>'
  found = shown(text + '\n\n[c](javascript:d()) <!-- end -->')
  assert '<script' not in found and '<b ' not in found
  assert '&lt;script&gt;' in found
  assert 'begin' not in found and 'end' not in found
  assert 'href' not in found


def test_tables_scroll_and_short_cells_stay_whole():
  found = shown(
    '| a | b |\n|---|---|\n| 0.870 – 0.996 | many words, many words |'
  )
  assert '<div class="scroll"' in found
  assert '<td class="short">0.870 – 0.996</td>' in found
  assert '<td>many words, many words</td>' in found


def test_the_beginning_of_a_report_is_plain_text():
  text = '# Time: \\*mini\\*\n\nfirst · a\\_b\n\nsecond\nline\n\n| a |\n|---|\n'
  found = documents.beginning(text)
  assert found == ('Time: *mini*', 'first · a_b', 'second line')
  assert documents.beginning('# Only a heading\n\n| a |\n|---|') is None
  assert documents.beginning('') is None
