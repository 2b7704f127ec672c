"""Render the top of a report's page as a picture for README.

    python -m tests.support.report_picture

renders docs/leaderboard/self/index.html into docs/report.png with the Chromium
that the tests of the page use, without a network. Other files:
`python -m tests.support.report_picture PAGE PICTURE`.
"""

import pathlib
import sys

from tests.support import chromium

DOCS = pathlib.Path(__file__).parents[2] / 'docs'
SIZE = {'width': 1180, 'height': 900}  # Pixels, for the board's first rows.


def render(page: pathlib.Path, picture: pathlib.Path) -> None:
  """Write the top of `page` to `picture`, a PNG file of SIZE.

  Raises:
    FileNotFoundError: No Chromium is installed, or `page` is missing.
  """
  address = page.resolve(strict=True).as_uri()
  with chromium.launched() as browser:
    tab = browser.new_page(viewport=SIZE, color_scheme='light')
    tab.context.set_offline(True)
    tab.goto(address)
    tab.screenshot(path=picture)


def main(words: list[str]) -> int:
  """Render the picture that the command line names; return an exit code."""
  given = words or [DOCS / 'leaderboard/self/index.html', DOCS / 'report.png']
  if len(given) != 2:
    print(__doc__, file=sys.stderr)
    return 2
  page, picture = map(pathlib.Path, given)
  try:
    render(page, picture)
  except FileNotFoundError as error:
    print(f'Error: {error}', file=sys.stderr)
    return 2
  print(f'{page} is rendered in {picture}, {picture.stat().st_size:,} bytes.')
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
