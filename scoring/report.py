"""The files of the report."""

import json
import pathlib

from runner import user_files
from runner.storage import StorageError
from scoring import figures, markdown, page, tables
from scoring.analysis import Analysis
from scoring.board import Board
from scoring.read import Results


class ReportError(ValueError):
  """The report cannot be written; the message says why."""


def write(
  results: Results, board: Board, analysis: Analysis, out: pathlib.Path
) -> pathlib.Path:
  """Writes the report into a folder; returns the page's path.

  Raises:
    ReportError: the folder cannot be written to.
  """
  table = tables.everything(results, board, analysis)
  files = {
    'index.html': page.render(results, board, analysis, out),
    'report.md': markdown.render(results, board, analysis),
    'leaderboard.csv': tables.leaderboard(board, analysis).to_csv(index=False),
    'times_to_target.csv': tables.times_to_target(board).to_csv(),
    'leaderboard.json': json.dumps(table, indent=2, allow_nan=False) + '\n',
  }
  try:
    (out / 'figures').mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
      # Names of files may hold bytes that are no text.
      user_files.replace(out / name, content.encode('utf-8', 'replace'))
    figures.write(board, analysis, out / 'figures')
  except OSError as error:
    raise ReportError(
      f'Cannot write the report to {out}: {error.strerror}. Say another --out.'
    ) from error
  except StorageError as error:
    raise ReportError(f'{error} Or say another --out.') from error
  return out / 'index.html'
