"""Draw performance profiles (Dolan and More 2002) as a chart."""

import math

from markupsafe import Markup

from scoring.rank.board import Board, Standing
from scoring.rank.bootstrap import Spread
from scoring.report import axes, formats, svg
from scoring.report.axes import Axis, Tick


def draw(board: Board, spread: Spread | None) -> Markup:
  """Draw step curves: the share of workloads reached within each ratio.

  A ladder's curve is the mean over its targets.
  """
  count = len(board.standings)
  bottom = max(300.0, 16.0 * count + 40)
  cutoff = board.rules.cutoff
  across = Axis(1.0, cutoff, 50.0, 620.0)
  up = Axis(0.0, 1.0, bottom, 22.0)
  multiples = axes.labelled(across.ticks(6), '×')
  grid = svg.grid(across, multiples, up, _shares(board))
  # Slightly shifted, so that curves that coincide stay visible.
  gap = min(2.6, 16.0 / count)
  shifts = [(index - (count - 1) / 2) * gap for index in range(count)]
  bands = []
  if spread is not None:
    bands = [
      svg.whose(
        index,
        [_band(spread, board, index=index, across=across, up=up, shift=shift)],
      )
      for index, shift in enumerate(shifts)
    ]
  ends = [
    (up(_share(standing, board)) + shift, index)
    for index, (standing, shift) in enumerate(
      zip(board.standings, shifts, strict=True)
    )
  ]
  curves = [
    svg.whose(
      index,
      [
        _steps(board, index, across, up, shifts[index]),
        _name(board.standings[index], index, end, y),
      ],
    )
    for y, (end, index) in zip(_apart(ends, 15.0, up), ends, strict=True)
  ]
  label = Markup(
    '<text class="axis" x="335" y="{}" text-anchor="middle">'
    'time to target ÷ fastest time</text>'
  ).format(bottom + 34)
  names = ', '.join(s.submission for s in board.standings)
  text = (
    'Performance profiles: share of workloads reached within a multiple of '
    f'the fastest time, up to {cutoff:g}, of {names}.'
  )
  return svg.draw(840, bottom + 40, text, [grid, *bands, *curves, label])


def _band(
  spread: Spread, board: Board, index: int, across: Axis, up: Axis, shift: float
) -> Markup:
  """Draw the band between the edges of the resampled profiles."""
  n = board.times.submissions.index(board.standings[index].submission)
  low, high = spread.bands[:, n].tolist()
  taus = spread.taus.tolist()
  edges = [
    *zip(taus, high, strict=True),
    *zip(taus[::-1], low[::-1], strict=True),
  ]
  places = [f'{across(tau):.0f} {up(y) + shift:.1f}' for tau, y in edges]
  # Many bands are paler, so that curves stay visible under them all.
  opacity = min(0.13, 0.8 / len(board.standings))
  return Markup(
    '<path class="band {}" fill-opacity="{:.2f}" d="M{}Z"/>'
  ).format(svg.series(index), opacity, ' '.join(places))


def _steps(
  board: Board, index: int, across: Axis, up: Axis, shift: float
) -> Markup:
  standing, cutoff = board.standings[index], board.rules.cutoff
  rungs, classes = len(board.rules.ladder), svg.series(index)
  count = rungs * len(board.rules.scored)
  found = sorted(
    (ratio, name if rungs == 1 else f'{name}, target {rung},')
    for name, cell in standing.cells.items()
    for rung, ratio in enumerate(cell.ratios, start=1)
    if ratio <= cutoff
  )
  what = 'workloads' if rungs == 1 else 'targets'
  path = f'M{across(1.0):.1f} {up(0.0) + shift:.1f}'
  dots = Markup()
  for number, (ratio, name) in enumerate(found, start=1):
    x, y = across(ratio), up(number / count) + shift
    path += f' H{x:.1f} V{y:.1f}'
    dots += Markup(
      '<circle class="dot {c}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{who}: '
      '{name} in {ratio} the fastest time; {n} of {count} {what}</title>'
      '</circle>'
    ).format(
      c=classes,
      x=x,
      y=y,
      who=standing.submission,
      name=name,
      ratio=formats.ratio(ratio),
      n=number,
      count=count,
      what=what,
    )
  return (
    Markup(
      '<path class="curve {c}" d="{d}"><title>{name}</title></path>'
    ).format(
      c=classes, d=f'{path} H{across(cutoff):.1f}', name=standing.submission
    )
    + dots
  )


def _name(standing: Standing, index: int, end: float, y: float) -> Markup:
  """Draw a submission's name and score at height `y`, beside its curve."""
  return Markup(
    '<path class="leader {c}" d="M620 {end:.1f} L632 {y:.1f} H640"/>'
    '<text class="name" x="646" y="{at:.1f}">{name} '
    '<tspan class="faint">{score:.3f}{mark}</tspan></text>'
  ).format(
    c=svg.series(index),
    end=end,
    y=y,
    at=y + 4,
    name=_short(standing.submission, 22),
    score=standing.score,
    mark='' if standing.rank else ' so far',
  )


def _share(standing: Standing, board: Board) -> float:
  """Return the share of workloads where a submission's curve ends."""
  ratios = [ratio for c in standing.cells.values() for ratio in c.ratios]
  found = sum(ratio <= board.rules.cutoff for ratio in ratios)
  return found / len(board.rules.scored) / len(board.rules.ladder)


def _shares(board: Board) -> list[Tick]:
  """Return a grid line for every number of workloads, if there are few."""
  count = len(board.rules.scored)
  marks = range(count + 1) if count <= 10 else (0, count)
  return [(n / count, f'{n}/{count}') for n in marks]


def _apart(ends: list[tuple[float, int]], gap: float, up: Axis) -> list[float]:
  """Return heights of labels near the curves' ends, without overlaps."""
  order = sorted(range(len(ends)), key=lambda n: ends[n])
  places = {}
  floor = -math.inf
  for n in order:
    floor = places[n] = max(ends[n][0], floor + gap)
  ceiling = max(up.start, up.end + gap * (len(ends) - 1)) + 4
  for n in reversed(order):
    ceiling = places[n] = min(places[n], ceiling)
    ceiling -= gap
  return [places[n] for n in range(len(ends))]


def _short(text: str, length: int) -> str:
  return text if len(text) <= length else f'{text[: length - 1]}…'
