"""Print the leaderboard on a terminal."""

import math
import shlex
from collections.abc import Callable

import rich.console
import rich.table
import rich.text

from scoring.load.results import Results
from scoring.rank import bands, bootstrap
from scoring.rank.board import Board, Cell, Standing
from scoring.rank.bootstrap import Spread
from scoring.report import formats, sentences

NAMES = (40, 32, 26, 22, 18, 15, 12, 10, 8)  # Lengths of names, if narrow.
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
  table = _table(board, spread, list(board.rules.workloads), None)
  if not _fits(table, console):  # The report has the times to target.
    table = fitted(lambda most: _table(board, spread, [], most), console)
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
  console.print(text_of(_next(results, board, spread)), soft_wrap=True)


def fitted(
  make: Callable[[int | None], rich.table.Table], console: rich.console.Console
) -> rich.table.Table:
  """Return a table with names as long as the terminal has room for.

  Without this, rich would cut the numbers, too.

  Args:
    make: Returns the table, given the length that names may have.
    console: The console to print on.
  """
  limits: tuple[int | None, ...] = (None, *NAMES)
  tables = map(make, limits)
  return next((t for t in tables if _fits(t, console)), make(NAMES[-1]))


def shortened(name: str, most: int | None) -> str:
  """Return a name with an ellipsis in its middle if it is longer than `most`.

  Names of variants often differ at the end.
  """
  name = sentences.clean(name, '?')
  if most is None or len(name) <= most:
    return name
  left = most // 2
  return f'{name[:left]}…{name[left + 1 - most :]}'


def _fits(table: rich.table.Table, console: rich.console.Console) -> bool:
  roomy = console.options.update(width=10_000)
  return console.measure(table, options=roomy).maximum <= console.width


def _next(results: Results, board: Board, spread: Spread | None) -> str:
  """Return the command that helps most in this state."""
  folder = shlex.quote(str(results.folder))
  if board.provisional and results.plan:
    return f'Next: timetrial status --out={folder} shows what is open.'
  ranked = sum(s.rank is not None for s in board.standings)
  if results.plan and ranked > 1 and bands.groups(board, spread):
    return f'Next: timetrial decide {folder} shows what would tell ranks apart.'
  return f'Next: timetrial verify {folder} shows what to doubt.'


def _table(
  board: Board,
  spread: Spread | None,
  workloads: list[str],
  most: int | None,
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
      text_of(
        shortened(standing.submission, most),
        'bold' if _first(standing, known) else '',
      ),
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
