"""Print the leaderboard on a terminal."""

import math
import pathlib
import shlex
from collections.abc import Callable, Iterable

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
LONGEST = 400  # Characters of a foreign text, such as the end of a trial.


def show(
  results: Results,
  board: Board,
  spread: Spread | None,
  console: rich.console.Console,
  written: pathlib.Path | None = None,
) -> None:
  """Print the table, open cells, problems with the files, and what is next.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    spread: The resampled board, or None.
    console: The console to print on.
    written: The report's page, if it was written.
  """
  title = brief(sentences.title(results))
  console.print(text_of(f'TimeTrial {title}', 'bold'))
  facts = ' · '.join(map(brief, sentences.facts(results)))
  console.print(text_of(facts, 'dim'))
  table = _table(board, spread, list(board.rules.workloads), None)
  if not _fits(table, console):  # The report has the times to target.
    table = fitted(lambda most: _table(board, spread, [], most), console)
  console.print(table)
  console.print(text_of(sentences.summary(board, spread)))
  for standing in board.standings:
    for workload, cell in standing.cells.items():
      for reason in cell.open:
        where = f'  {brief(standing.submission)}, {brief(workload)}: '
        console.print(text_of(where + brief(reason), 'yellow'))
  for problem in results.problems[:SHOWN]:
    told = f'! {brief(problem.path)}: {brief(problem.reason)}'
    console.print(text_of(told, 'red'))
  if len(results.problems) > SHOWN:
    left = len(results.problems) - SHOWN
    more = f'! {left} more problems are listed in the report.'
    console.print(text_of(more, 'red'))
  for remark in results.remarks:
    console.print(text_of(remark, 'dim'))
  if written:
    console.print(text_of(f'Report: {written}'), soft_wrap=True)
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
  made = make(None)
  for most in NAMES:
    if _fits(made, console):
      break
    made = make(most)
  return made


def shortened(name: str, most: int | None) -> str:
  """Return a name on one line, with an ellipsis in its middle if it is long.

  Names of variants often differ at the end.

  Args:
    name: The name.
    most: Length that the name may have; None: any.
  """
  name = ' '.join(sentences.clean(name, '?').split())
  if most is None or len(name) <= most:
    return name
  left = most // 2
  return f'{name[:left]}…{name[left + 1 - most :]}'


def told_apart(names: Iterable[str], most: int | None) -> dict[str, str]:
  """Return short forms of names; different names have different ones.

  Names that differ only where the ellipsis is have a number instead of their
  end.

  Args:
    names: The names.
    most: Length that a short form may have; None: any.
  """
  found: dict[str, str] = {}
  for name in dict.fromkeys(names):
    short, number = shortened(name, most), 1
    while short in found.values():
      number += 1
      end = f'…{number}'
      kept = None if most is None else most - len(end)
      short = shortened(name, None)[:kept] + end
    found[name] = short
  return found


def brief(value: str) -> str:
  """Return foreign text with at most LONGEST characters; the end is kept."""
  return shortened(value, LONGEST)


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
  short = told_apart((s.submission for s in board.standings), most)
  for standing in board.standings:
    score = formats.score(standing.score)
    table.add_row(
      bands.shown(known, standing.submission, standing.rank),
      text_of(
        short[standing.submission],
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
  stopped = ', stopped' if cell.hopeless else ''
  return text_of(f'missed, {best}{near}{stopped}', 'dim')


def text_of(value: str, style: str = '') -> rich.text.Text:
  """Return literal text: no markup for rich, no commands for a terminal."""
  return rich.text.Text(sentences.clean(value, '?'), style=style)
