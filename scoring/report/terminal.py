"""Print the leaderboard on a terminal."""

import math

import rich.console
import rich.table
import rich.text

from scoring.load.results import Results
from scoring.rank import bands, bootstrap
from scoring.rank.board import Board, Cell, Standing
from scoring.rank.bootstrap import Spread
from scoring.report import formats, sentences

SHOWN = 8  # Problems to print; the report lists all.


def show(
  results: Results,
  board: Board,
  spread: Spread | None,
  console: rich.console.Console,
) -> None:
  """Print the table, open cells and problems with the files.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    spread: The resampled board, or None.
    console: The console to print on.
  """
  console.print(text_of(f'TimeTrial {sentences.title(results)}', 'bold'))
  console.print(text_of(' · '.join(sentences.facts(results)), 'dim'))
  table = _table(board, spread, list(board.rules.workloads))
  roomy = console.options.update(width=10_000)
  if console.measure(table, options=roomy).maximum > console.width:
    table = _table(board, spread, [])  # The report has the times to target.
  console.print(table)
  console.print(text_of(sentences.summary(board, spread)))
  for standing in board.standings:
    for workload, cell in standing.cells.items():
      for reason in cell.open:
        where = f'  {standing.submission}, {workload}: '
        console.print(text_of(where + reason, 'yellow'))
  for problem in results.problems[:SHOWN]:
    console.print(text_of(f'! {problem.path}: {problem.reason}', 'red'))
  if len(results.problems) > SHOWN:
    left = len(results.problems) - SHOWN
    more = f'! {left} more problems are listed in the report.'
    console.print(text_of(more, 'red'))
  for remark in results.remarks:
    console.print(text_of(remark, 'dim'))


def _table(
  board: Board, spread: Spread | None, workloads: list[str]
) -> rich.table.Table:
  table = rich.table.Table(box=None, pad_edge=False, header_style='dim')
  table.add_column('#', justify='right')
  table.add_column('submission', no_wrap=True)
  table.add_column('score', justify='right')
  table.add_column(
    f'{formats.share(bootstrap.LEVEL)} interval', justify='right'
  )
  table.add_column('reached', justify='right')
  ladder = len(board.rules.ladder)
  if ladder > 1:
    table.add_column('targets', justify='right')
  for workload in workloads:
    head = f'{workload}\n{sentences.target(board, workload)}'
    table.add_column(text_of(head), justify='right')
  known = bands.bands(board, spread)
  for standing in board.standings:
    score = formats.score(standing.score)
    table.add_row(
      bands.shown(known, standing.submission, standing.rank),
      text_of(standing.submission, 'bold' if _first(standing, known) else ''),
      score if standing.rank else f'({score})',
      formats.interval(bootstrap.interval(board, spread, standing.submission)),
      f'{standing.reached}/{len(board.rules.scored)}',
      *([sentences.targets(standing, board)] if ladder > 1 else []),
      *(_cell(standing.cells[workload]) for workload in workloads),
    )
  return table


def _first(standing: Standing, known: dict[str, bands.Band]) -> bool:
  """Return whether a submission may be the first."""
  band = known.get(standing.submission)
  return standing.rank == 1 if band is None else band.first == 1


def _cell(cell: Cell) -> rich.text.Text:
  time = formats.effort(cell.seconds, cell.effort)
  if cell.lost:
    return text_of(f'{time}, no credit', 'dim')
  if cell.state == 'reached' and not math.isfinite(cell.ratio):
    return text_of(time)  # A held-out variant.
  if cell.state == 'reached':
    style = 'bold green' if cell.ratio == 1 else ''
    return text_of(f'{time} {formats.ratio(cell.ratio)}', style)
  if cell.state == 'open':
    return text_of('open', 'yellow')
  best = formats.metric(cell.best, cell.target)
  near = f', {cell.rungs}/{len(cell.times)}' if len(cell.times) > 1 else ''
  return text_of(f'missed, {best}{near}', 'dim')


def text_of(value: str, style: str = '') -> rich.text.Text:
  """Return literal text: no markup for rich, no commands for a terminal."""
  return rich.text.Text(sentences.clean(value, '?'), style=style)
