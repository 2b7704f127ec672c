"""Write the report as Markdown, for places that do not show HTML."""

import math
import pathlib
import re

from runner.protocol import user_files
from runner.protocol.storage import StorageError
from scoring.load.results import Results
from scoring.rank import bands, bootstrap, times
from scoring.rank.analysis import Analysis
from scoring.rank.board import Board, Cell, Standing
from scoring.report import formats, sentences

BEGIN, END = '<!-- timetrial: begin -->', '<!-- timetrial: end -->'


def render(results: Results, board: Board, analysis: Analysis) -> str:
  """Return the report as Markdown.

  A README can hold the part between the markers; `renew` keeps it up to date.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    analysis: The analysis of the board.
  """
  known = analysis.details.values()
  lines = [f'# TimeTrial: {_plain(sentences.title(results))}', '']
  lines += [_paragraph(' · '.join(sentences.facts(results, known))), '']
  lines += [
    _paragraph(sentences.summary(board, analysis.spread)),
    '',
    BEGIN,
    '',
  ]
  lines += _table(
    [
      'rank',
      'submission',
      'score',
      f'{formats.share(bootstrap.LEVEL)} interval',
      'reached',
      *_targets(board),
      'open cells',
    ],
    _lines(board, analysis),
  )
  lines += [
    '',
    f'{formats.EFFORTS[board.effort].capitalize()} to the target, and the '
    'ratio to the least:',
  ]
  lines += ['']
  lines += _times(board)
  lines += ['', END]
  lines += _more(board, analysis)
  rows = [
    [s.submission, name, reason]
    for s in board.standings
    for name, found in s.cells.items()
    for reason in found.open
  ]
  if rows:
    lines += ['', '## Open cells', '']
    lines += _table(['submission', 'workload', 'reason'], rows)
  if analysis.problems:
    lines += ['', '## Problems in the results', '']
    lines += _table(['path', 'reason'], analysis.problems)
  if results.remarks:
    lines += ['', *map(_paragraph, results.remarks)]
  return '\n'.join(lines) + '\n'


def renew(path: pathlib.Path, report: str) -> None:
  """Copy the part between the report's markers into a file with markers.

  The rest of the file does not change. The file is replaced in one step.

  Args:
    path: The file to change.
    report: The Markdown that `render` returned.

  Raises:
    ValueError: The file has no markers, or cannot be read or written. Nothing
      is written then.
  """
  try:
    old = user_files.read(path)
  except OSError as error:
    raise ValueError(f'{path} cannot be read: {error.strerror}.') from error
  if old.count(BEGIN) != 1 or old.find(END) < old.find(BEGIN):
    raise ValueError(
      f'{path} must have the leaderboard markers exactly once. Put the lines '
      f'{BEGIN} and {END} into this file, where the table belongs.'
    )
  table = BEGIN + report.partition(BEGIN)[2].partition(END)[0]
  before, after = old.partition(BEGIN)[0], old.partition(END)[2]
  new = before + user_files.with_ends_of(old, table) + END + after
  try:
    user_files.replace(path, new.encode('utf-8', 'replace'))
  except StorageError as error:
    raise ValueError(str(error)) from error


def _lines(board: Board, analysis: Analysis) -> list[list[str]]:
  known = bands.bands(board, analysis.spread)
  return [
    [
      bands.shown(known, standing.submission, standing.rank),
      *_line(standing, board, analysis),
    ]
    for standing in board.standings
  ]


def _line(standing: Standing, board: Board, analysis: Analysis) -> list[str]:
  so_far = '' if standing.rank else f' so far (≤ {standing.best_case:.4f})'
  return [
    standing.submission,
    formats.score(standing.score) + so_far,
    formats.interval(
      bootstrap.interval(board, analysis.spread, standing.submission)
    ),
    f'{standing.reached} / {len(board.rules.scored)}',
    *([sentences.targets(standing, board)] if _targets(board) else []),
    str(standing.open_cells or ''),
  ]


def _targets(board: Board) -> list[str]:
  """Return the head of the column of targets that only a ladder has."""
  return ['targets'] if len(board.rules.ladder) > 1 else []


def _times(board: Board) -> list[str]:
  """Return the table of times; the longer of the two axes goes down."""
  rows = board.rules.workloads
  lines: list[tuple[str, ...]] = [
    (
      'workload',
      *(n + (' (held out)' if r.held_out_of else '') for n, r in rows.items()),
    ),
    ('target', *(sentences.target(board, name) for name in rows)),
  ]
  for standing in board.standings:
    cells = (_timed(standing.cells[name]) for name in rows)
    lines.append((standing.submission, *cells))
  if len(board.standings) <= len(rows):
    lines = list(zip(*lines, strict=True))
  return _table(lines[0], lines[1:])


def _more(board: Board, analysis: Analysis) -> list[str]:
  """Return scores by other measures, speedups, and alternative rules."""
  names = [s.submission for s in board.standings]
  lines = ['', '## Scores by measure of effort', '']
  lines += _table(
    ['submission', *(times.MEASURES[what] for what in analysis.measures)],
    [
      [name, *(formats.score(s[name]) for s in analysis.measures.values())]
      for name in names
    ],
  )
  lines += ['', f'## Speed against {_plain(analysis.reference)}', '']
  lines += ['In the first two columns, a miss takes the whole budget.', '']
  found = {speedup.submission: speedup for speedup in analysis.speedups}
  lines += _table(
    ['submission', 'geometric mean', 'arithmetic mean', 'where both reached'],
    [
      [
        name,
        formats.ratio(found[name].geometric),
        formats.ratio(found[name].arithmetic),
        f'{formats.ratio(found[name].both)} of {found[name].shared}',
      ]
      for name in names
    ],
  )
  if analysis.differences:
    lines += ['', '## Alternatives: scores under the documented rules', '']
    lines += _table(
      ['submission', 'this board', 'score', 'documented', 'documented score'],
      [
        [
          d.submission,
          d.departure.here,
          formats.score(d.score),
          d.departure.documented,
          formats.score(d.other),
        ]
        for d in analysis.differences
      ],
    )
  return lines


def _timed(found: Cell) -> str:
  if found.state == 'reached' and math.isfinite(found.ratio):
    return f'{sentences.cell(found)} ({formats.ratio(found.ratio)})'
  return sentences.cell(found)


def _table(head, rows) -> list[str]:
  lines = [head, ['---'] * len(head), *rows]
  return ['| ' + ' | '.join(map(_plain, line)) + ' |' for line in lines]


def _plain(value: str) -> str:
  """Return one line of text, escaped so that Markdown shows it literally."""
  found = sentences.clean(' '.join(str(value).split()))
  # Escaped only where Markdown reads more than the character: underscores at
  # the edge of a word, and ampersands that begin a character reference.
  return re.sub(
    r'([\\`*\[\]<>|~]|\b_|_\b|(?<!\w)_|&(?=#?\w+;))', r'\\\1', found
  )


def _paragraph(value: str) -> str:
  """Return `_plain` text that is neither a heading nor an item of a list."""
  return re.sub(r'^([#+=-]|\d+(?=[.)]))', r'\\\1', _plain(value))
