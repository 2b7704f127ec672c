"""Boards that others have raced: their results, also from an archive."""

import contextlib
import functools
import pathlib
import tarfile
import tempfile
from collections.abc import Iterator

from runner.protocol import layout, results_folder
from runner.protocol.plan import Plan
from runner.protocol.results_folder import ResultsError

ARCHIVE = 'results.tar.xz'
INSIDE = 'results'


@contextlib.contextmanager
def opened(board: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yield the results folder of a board; an archive is unpacked meanwhile.

  Args:
    board: A results folder, or a folder with `results` or ARCHIVE in it.

  Raises:
    ResultsError: there are no results.
  """
  for folder in (board, board / INSIDE):
    if (folder / layout.PLAN).is_file():
      yield folder
      return
  archive = board / ARCHIVE
  if not archive.is_file():
    raise ResultsError(
      f'{board} has no results to compare with: neither {layout.PLAN}, nor '
      f'{INSIDE}/{layout.PLAN}, nor {ARCHIVE}. Give the folder of a race, or '
      'of a board, such as docs/leaderboard/self.'
    )
  with tempfile.TemporaryDirectory(prefix='timetrial-') as place:
    try:
      with tarfile.open(archive) as packed:
        packed.extractall(place, filter='data')
    except (OSError, tarfile.TarError, EOFError) as error:
      raise ResultsError(f'{archive} cannot be unpacked: {error}.') from error
    plans = sorted(pathlib.Path(place).glob(f'**/{layout.PLAN}'), key=str)
    if not plans:
      raise ResultsError(f'{archive} has no {layout.PLAN}.')
    yield min(plans, key=lambda path: len(path.parts)).parent


@functools.cache  # Unpacking a large board takes seconds.
def plan(board: pathlib.Path) -> Plan:
  """Return the plan of a board, as it is when first asked for.

  Raises:
    ResultsError: there is none, or it is damaged.
  """
  with opened(board) as folder:
    return results_folder.planned(folder)
