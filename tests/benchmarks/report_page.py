"""Measure the report's page in a browser: bytes, nodes, screens, time to open.

    python -m tests.benchmarks.report_page [PAGE ...]

Without pages, those of the two committed boards, and one of a made-up race of
42 submissions, 9 workloads and 3 studies. "Open" is the median of ROUNDS loads,
from the request to the end of all scripts. Chromium comes from the system.
"""

import pathlib
import statistics
import sys
import tempfile

from scoring.load import results as read
from scoring.rank import analysis, board
from scoring.report.page import render
from tests.scoring.report.page.test_page import many
from tests.support import chromium

BOARDS = pathlib.Path(__file__).parents[2] / 'docs' / 'leaderboard'
SIZES = {'1280 x 900': (1280, 900), '390 x 844': (390, 844)}
ROUNDS = 7
FACTS = """() => ({
  nodes: document.querySelectorAll('*').length,
  height: document.documentElement.scrollHeight,
  open: performance.getEntriesByType('navigation')[0].loadEventEnd,
})"""


def main(words):
  """Print a row of the table in docs/benchmarks/report.md for each page."""
  with tempfile.TemporaryDirectory() as folder:
    pages = [pathlib.Path(word) for word in words] or [
      BOARDS / 'self' / 'index.html',
      BOARDS / 'external' / 'index.html',
      made_up(pathlib.Path(folder)),
    ]
    print(
      '| page | MB | nodes | screens, ' + ' | screens, '.join(SIZES), end=''
    )
    print(' | open, ms |\n|---|---|---|---|---|---|')
    with chromium.launched() as browser:
      for page in pages:
        print(row(browser, page), flush=True)


def made_up(folder):
  """Write the page of a race as large as ours will be."""
  results = read.read(many(folder / 'results', 42, 9, 3))
  found = board.make(results)
  explained = analysis.make(results, found)
  path = folder / 'made_up.html'
  path.write_text(render.render(results, found, explained), encoding='utf-8')
  return path


def row(browser, page):
  """Return one line of the table."""
  screens, opened, nodes = [], [], 0
  for width, height in SIZES.values():
    for _ in range(ROUNDS):
      tab = browser.new_page(viewport={'width': width, 'height': height})
      tab.goto(page.resolve().as_uri())
      facts = tab.evaluate(FACTS)
      nodes = max(nodes, facts['nodes'])
      opened.append(facts['open'])
      tab.close()
    screens.append(f'{facts["height"] / height:.1f}')
  size = page.stat().st_size / 1e6
  middle = statistics.median(opened)
  name = f'{page.parent.name}/{page.name}'
  told = [name, f'{size:.2f}', f'{nodes:,}', *screens, f'{middle:.0f}']
  return f'| {" | ".join(told)} |'


if __name__ == '__main__':
  main(sys.argv[1:])
