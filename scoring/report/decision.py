"""The decision on what to run next, as a table or fit for JSON."""

from typing import Any

import rich.console
import rich.table

from scoring.rank import bands
from scoring.rank.allocation import MOST, Allocation
from scoring.rank.board import Board
from scoring.rank.bootstrap import SURE, Spread
from scoring.report import formats, sentences
from scoring.report.terminal import fitted, text_of, told_apart

SHOWN = 12  # Pairs to print.


def show(
  found: Allocation,
  board: Board,
  spread: Spread | None,
  jobs: int,
  console: rich.console.Console,
) -> None:
  """Print which cells need how many more studies, and why.

  Args:
    found: What to run next.
    board: The scored board.
    spread: The resampled board, or None.
    jobs: Number of trials at once.
    console: The console to print on.
  """
  console.print(text_of(sentences.summary(board, spread)))
  if found.cells:
    console.print(fitted(lambda most: _table(found, jobs, most), console))
  for line in lines(found, board, jobs):
    console.print(text_of(line))


def lines(found: Allocation, board: Board, jobs: int) -> list[str]:
  """Return what the new studies are for, their hours, and what stays open.

  Args:
    found: What to run next.
    board: The scored board.
    jobs: Number of trials at once.
  """
  said = []
  if sum(s.rank is not None for s in board.standings) < 2:
    return ['Nothing to decide: fewer than two submissions are ranked.']
  studies = sum(cell.more for cell in found.cells)
  if found.cells:
    why = 'the noise of cells with one study'
    if any(cell.gain is not None for cell in found.cells):
      pairs = sentences.join(
        [f'{pair.better} and {pair.worse}' for pair in found.doubted[:SHOWN]]
        + ['others'] * (len(found.doubted) > SHOWN)
      )
      why = f'the order of {pairs}'
    hours = f'{found.seconds / jobs / 3600:.2f} h'
    noun = 'study' if studies == 1 else 'studies'
    said.append(f'{studies} more {noun} in about {hours}, to tell {why}.')
  elif found.doubted or found.single:
    said.append('No new study fits into the hours. Give more: --hours=N')
  elif not found.near:
    said.append(
      f'Nothing to run: all ranks are told apart in {SURE:.0%} of the draws.'
    )
  if found.near:
    near = [f'{pair.better} and {pair.worse}' for pair in found.near[:SHOWN]]
    near += ['others'] * (len(found.near) > SHOWN)
    said.append(
      f'Too near for {MOST} studies of every cell: {sentences.join(near)}.'
    )
  return said


def table(
  found: Allocation, board: Board, spread: Spread | None, jobs: int
) -> dict[str, Any]:
  """Return what to run next, fit for JSON.

  Args:
    found: What to run next.
    board: The scored board.
    spread: The resampled board, or None.
    jobs: Number of trials at once.
  """
  return {
    'effort': board.effort,
    'bands': {
      name: list(band) for name, band in bands.bands(board, spread).items()
    },
    'apart': not (found.single or found.doubted or found.near),
    'cells': [cell._asdict() for cell in found.cells],
    'hours': found.seconds / jobs / 3600,
    'in_doubt': [pair._asdict() for pair in found.doubted],
    'too_near': [pair._asdict() for pair in found.near],
    'summary': sentences.summary(board, spread),
    'reasons': lines(found, board, jobs),
  }


def _table(found: Allocation, jobs: int, most: int | None) -> rich.table.Table:
  made = rich.table.Table(box=None, pad_edge=False, header_style='dim')
  for head in ('submission', 'workload'):
    made.add_column(head, no_wrap=True)
  for head in ('studies', 'more', 'gain', 'hours'):
    made.add_column(head, justify='right')
  entries = told_apart((cell.submission for cell in found.cells), most)
  workloads = told_apart((cell.workload for cell in found.cells), most)
  for cell in found.cells:
    gain = 'unknown' if cell.gain is None else formats.share(cell.gain)
    made.add_row(
      text_of(entries[cell.submission]),
      text_of(workloads[cell.workload]),
      str(cell.studies),
      f'+{cell.more}',
      gain,
      f'{cell.seconds / jobs / 3600:.2f} h',
    )
  return made
