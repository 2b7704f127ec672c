"""Write the files of the report."""

import json
import pathlib
from collections.abc import Sequence

from runner.protocol import user_files
from runner.protocol.storage import StorageError
from scoring.load.results import Results
from scoring.rank.analysis import Analysis
from scoring.rank.board import Board
from scoring.report import export, figures as drawing, markdown
from scoring.report.findings import Finding
from scoring.report.page import render


class ReportError(ValueError):
  """The report cannot be written; the message says why."""


def write(
  results: Results,
  board: Board,
  analysis: Analysis,
  out: pathlib.Path,
  findings: Sequence[Finding] | None = None,
  *,
  figures: bool = False,
) -> pathlib.Path:
  """Write the report into a folder and return the page's path.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    analysis: The analysis of the board.
    out: The folder, which need not exist.
    findings: Findings of `verify`; None if it was not run.
    figures: Whether to draw figures, too, which takes almost as long as the
      rest. Without, figures of an older report in the folder are removed.

  Raises:
    ReportError: The folder cannot be written.
  """
  table = export.everything(results, board, analysis)
  files = {
    'index.html': render.render(results, board, analysis, findings),
    'report.md': markdown.render(results, board, analysis),
    'leaderboard.csv': export.leaderboard(board, analysis).to_csv(index=False),
    'times_to_target.csv': export.times_to_target(board).to_csv(),
    'leaderboard.json': json.dumps(table, indent=2, allow_nan=False) + '\n',
  }
  try:
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
      # File names may hold bytes that are not UTF-8.
      user_files.replace(out / name, content.encode('utf-8', 'replace'))
    if figures:
      drawing.write(board, analysis, out / 'figures')
    else:
      drawing.remove(out / 'figures')
  except OSError as error:
    raise ReportError(
      f'Cannot write the report to {out}: {error.strerror}. Choose another '
      '--out.'
    ) from error
  except StorageError as error:
    raise ReportError(f'{error} Or choose another --out.') from error
  return out / 'index.html'
