"""Facts that the list of boards shows about each board.

Read from report.md: that file is kept with every board, and leaderboard.json is
not.
"""

import pathlib
import re
import shlex
from typing import NamedTuple

from runner.protocol import user_files
from scoring.site import documents

FOLDER = 'docs/leaderboard'
PAGE, TEXT = 'index.html', 'report.md'
# Files that a reader may want to have, in the order in which the list has them.
FILES = (
  PAGE,
  TEXT,
  'leaderboard.csv',
  'times_to_target.csv',
  'leaderboard.json',
  'results.tar.xz',
  'figures/*.svg',
  'figures/*.png',
)
BRAND = '<p class="brand">TimeTrial</p>'  # The beginning of a page.
_RULESET = re.compile(r'.* ruleset')
_COUNTS = re.compile(r'\d+ submissions?, .*')
_MACHINE = re.compile(r'(?!score: )\S+: .+ cores?')
_DATES = re.compile(r'\d{4}-\d\d-\d\d( to \d{4}-\d\d-\d\d)?')


class Board(NamedTuple):
  """One board, as its report.md describes it."""

  path: str  # Folder, from the root of the repository.
  suite: str  # Name and version of the suite.
  ruleset: str  # '' for results without a ruleset.
  machine: str  # '' for results of several machines.
  dates: str  # First and last day of the race; '' if unknown.
  counts: str  # Numbers of submissions, workloads and trials; '' if unknown.
  headline: str
  files: tuple[str, ...]  # Names within the folder.

  @property
  def label(self) -> str:
    """Return what tells the board from others, such as suite and ruleset."""
    return ', '.join(filter(None, (self.suite, self.ruleset)))


def read(root: pathlib.Path) -> list[Board]:
  """Return all boards of a repository, the newest first.

  Raises:
    ValueError: There is no board, or a board lacks its page or its report.md.
  """
  folders = sorted((root / FOLDER).glob('*/'))
  made = [
    f for f in folders if any((f / name).exists() for name in (PAGE, TEXT))
  ]
  if not made:
    raise ValueError(
      f'{root / FOLDER} has no board. A board is a folder with {PAGE} and '
      f'{TEXT}. Make one: timetrial score RESULTS --out={FOLDER}/NAME'
    )
  boards = [_board(root, folder) for folder in made]
  return sorted(boards, key=lambda board: board.dates[-10:], reverse=True)


def _board(root: pathlib.Path, folder: pathlib.Path) -> Board:
  """Return the board of a folder."""
  again = (
    f'Write it again: timetrial score RESULTS --out={shlex.quote(str(folder))}'
  )
  files = tuple(
    path.relative_to(folder).as_posix()
    for pattern in FILES
    for path in sorted(folder.glob(pattern))
    if path.is_file() and not path.is_symlink()
  )
  for name in (PAGE, TEXT):
    if name not in files:
      raise ValueError(f'The board {folder} has no file {name}. {again}')
  found = documents.beginning(user_files.read(folder / TEXT))
  if found is None:
    raise ValueError(
      f'{folder / TEXT} must begin with a heading, a paragraph of facts and a '
      f'paragraph with the result. {again}'
    )
  title, line, headline = found
  facts = line.split(' · ')
  return Board(
    path=folder.relative_to(root).as_posix(),
    suite=title.removeprefix('TimeTrial: '),
    ruleset=_first(_RULESET, facts),
    machine=_first(_MACHINE, facts),
    dates=_first(_DATES, facts),
    counts=_first(_COUNTS, facts),
    headline=headline,
    files=files,
  )


def _first(pattern: re.Pattern[str], facts: list[str]) -> str:
  """Return the first fact that matches a pattern, or ''."""
  return next(filter(pattern.fullmatch, facts), '')
