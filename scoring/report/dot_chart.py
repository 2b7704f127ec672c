"""Draw times to the target: one row per submission, one mark per study.

A miss is censored: its mark is an arrow at the time that was tried, because
the time to the target is only known to be longer.
"""

import math
from typing import NamedTuple

from markupsafe import Markup

from scoring.rank import board as boards
from scoring.rank.board import Board, Cell
from scoring.report import axes, formats, svg
from scoring.report.axes import Axis

HEIGHT = 24  # Height of a row in pixels; widths are in percent.
WORDS = {
  'hit': 'reached in',
  'censored': 'not reached in',
  'open': 'open after',
}


class Mark(NamedTuple):
  """One study of a cell."""

  study: int
  seconds: float  # Charged seconds to the target, or tried without a hit.
  kind: str  # Key of WORDS.
  outcome: str  # Outcome of the trial that ran longest.
  effort: str  # Unit of `seconds`, see Cell.


class Plot(NamedTuple):
  """Rows of one workload, and the axis under the rows."""

  shared: Markup  # Definitions that the rows refer to.
  rows: list[Markup]  # One row per submission, in the order of the board.
  axis: Markup


def marks(cell: Cell) -> list[Mark]:
  """Return a mark for each study that counts."""
  found = []
  for study, seconds in cell.studies.items():
    tried = [trial for trial in cell.trials if trial.key.study == study]
    longest = max(tried, key=lambda trial: trial.seconds)
    kind = 'open' if math.isnan(seconds) else 'censored'
    if math.isfinite(seconds):
      found.append(Mark(study, seconds, 'hit', 'reached', cell.effort))
    else:
      found.append(
        Mark(study, longest.seconds, kind, longest.state, cell.effort)
      )
  return found


def extent(board: Board, workload: str) -> tuple[float, float]:
  """Return the last second to show, and the budget (inf if unknown)."""
  cells = [standing.cells[workload] for standing in board.standings]
  budget = boards.budget(cells)
  last = max((m.seconds for cell in cells for m in marks(cell)), default=0.0)
  return max(last, budget if math.isfinite(budget) else 0.0) or 1.0, budget


def draw(board: Board, workload: str, number: int) -> Plot:
  """Draw the plot of one workload, as wide as the page allows.

  Args:
    board: The scored board.
    workload: The workload's name.
    number: The workload's number, which makes ids unique.
  """
  end, budget = extent(board, workload)
  across = Axis(0.0, end, 1.5, 95.0)
  ticks = axes.times(across, board.effort)
  lines = Markup().join(_line(across(x), 'tick') for x, _ in ticks)
  if math.isfinite(budget):
    lines += _line(across(budget), 'budget')
  shared = Markup(
    '<g id="t{n}">{lines}</g><path id="a{n}" '
    'd="M0 -4 V4 M0 0 H11 M7.5 -3.5 L11 0 L7.5 3.5"/>'
  ).format(n=number, lines=lines)
  rows = [
    _row(standing.cells[workload], across, number, index, standing.submission)
    for index, standing in enumerate(board.standings)
  ]
  labels = Markup().join(
    Markup('<text x="{:.2f}%" y="11" text-anchor="middle">{}</text>').format(
      across(x), text
    )
    for x, text in ticks
  )
  return Plot(
    svg.shared([shared]),
    rows,
    Markup('<svg class="dots" height="16" aria-hidden="true">{}</svg>').format(
      labels
    ),
  )


def _row(
  cell: Cell, across: Axis, plot: int, index: int, submission: str
) -> Markup:
  found = marks(cell)
  gap = min(3.5, 14 / max(1, len(found)))
  shown = []
  if math.isfinite(cell.seconds):
    shown.append(
      Markup(
        '<line class="median" x1="{x:.2f}%" x2="{x:.2f}%" y1="2" y2="22">'
        '<title>median {s}</title></line>'
      ).format(
        x=across(cell.seconds), s=formats.effort(cell.seconds, cell.effort)
      )
    )
  for number, mark in enumerate(found):
    y = HEIGHT / 2 + (number - (len(found) - 1) / 2) * gap
    shown.append(_mark(mark, across(mark.seconds), y, plot, svg.series(index)))
  return Markup(
    '<svg class="dots" height="{h}" role="img" aria-label="{who}: {hits} of '
    '{count} studies"><use href="#t{plot}"/>{marks}</svg>'
  ).format(
    h=HEIGHT,
    who=submission,
    hits=cell.hits,
    count=len(found),
    plot=plot,
    marks=Markup().join(shown),
  )


def _mark(mark: Mark, x: float, y: float, plot: int, classes: str) -> Markup:
  title = Markup('<title>{}</title>').format(_words(mark))
  if mark.kind == 'hit':
    return Markup(
      '<circle class="dot {}" cx="{:.2f}%" cy="{:.1f}" r="4">{}</circle>'
    ).format(classes, x, y, title)
  if mark.kind == 'open':
    return Markup(
      '<circle class="waiting" cx="{:.2f}%" cy="{:.1f}" r="4">{}</circle>'
    ).format(x, y, title)
  # A path cannot be placed in percent, but a reference to a path can.
  return Markup(
    '<use href="#a{}" class="censored {}" x="{:.2f}%" y="{:.1f}">{}</use>'
  ).format(plot, classes, x, y, title)


def _words(mark: Mark) -> str:
  why = '' if mark.kind == 'hit' else f' ({mark.outcome})'
  time = formats.effort(mark.seconds, mark.effort)
  return f'study {mark.study}: {WORDS[mark.kind]} {time}{why}'


def _line(x: float, kind: str) -> Markup:
  return Markup(
    '<line class="{k}" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{h}"/>'
  ).format(k=kind, x=x, h=HEIGHT)
