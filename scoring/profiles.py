"""Performance profiles (Dolan and More 2002) as a chart."""

import math

from markupsafe import Markup

from scoring import axes, numbers, svg
from scoring.axes import Axis, Tick
from scoring.board import Board, Standing


def draw(board: Board) -> Markup:
  """Step curves: the share of workloads reached within tau of the fastest."""
  count = len(board.standings)
  width, bottom = 840.0, max(300.0, 16.0 * count + 40)
  cutoff = board.rules.cutoff
  across = Axis(1.0, cutoff, 50.0, 620.0)
  up = Axis(0.0, 1.0, bottom, 22.0)
  multiples = axes.labelled(across.ticks(6), '×')
  parts = [svg.grid(across, multiples, up, _shares(board))]
  spread = min(2.6, 16.0 / count)
  ends = []
  for index, standing in enumerate(board.standings):
    # A hair apart, so that curves which coincide can all be seen.
    shift = (index - (count - 1) / 2) * spread
    parts.append(_steps(standing, svg.series(index), across, up, shift, cutoff))
    ends.append((up(_share(standing, cutoff)) + shift, index))
  for y, (end, index) in zip(_apart(ends, 15.0, up), ends, strict=True):
    standing = board.standings[index]
    mark = '' if standing.rank else ' so far'
    parts.append(
      Markup(
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
        mark=mark,
      )
    )
  parts.append(
    Markup(
      '<text class="axis" x="335" y="{}" text-anchor="middle">'
      'time to target ÷ fastest time</text>'
    ).format(bottom + 34)
  )
  names = ', '.join(s.submission for s in board.standings)
  text = (
    'Performance profiles: share of workloads reached within a multiple of '
    f'the fastest time, up to {cutoff:g}, of {names}.'
  )
  return svg.draw(width, bottom + 40, text, parts)


def _steps(
  standing: Standing, classes: str, across: Axis, up: Axis, shift: float, cutoff
) -> Markup:
  found = sorted(
    (cell.ratio, name)
    for name, cell in standing.cells.items()
    if cell.ratio <= cutoff
  )
  count = len(standing.cells)
  path = f'M{across(1.0):.1f} {up(0.0) + shift:.1f}'
  dots = Markup()
  for number, (ratio, name) in enumerate(found, start=1):
    x, y = across(ratio), up(number / count) + shift
    path += f' H{x:.1f} V{y:.1f}'
    dots += Markup(
      '<circle class="dot {c}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{who}: '
      '{name} in {ratio} the fastest time; {n} of {count} workloads</title>'
      '</circle>'
    ).format(
      c=classes,
      x=x,
      y=y,
      who=standing.submission,
      name=name,
      ratio=numbers.ratio(ratio),
      n=number,
      count=count,
    )
  return (
    Markup(
      '<path class="curve {c}" d="{d}"><title>{name}</title></path>'
    ).format(
      c=classes, d=f'{path} H{across(cutoff):.1f}', name=standing.submission
    )
    + dots
  )


def _share(standing: Standing, cutoff: float) -> float:
  cells = standing.cells.values()
  return sum(cell.ratio <= cutoff for cell in cells) / len(cells)


def _shares(board: Board) -> list[Tick]:
  """A line for every number of workloads, while they are few."""
  count = len(board.rules.workloads)
  marks = range(count + 1) if count <= 10 else (0, count)
  return [(n / count, f'{n}/{count}') for n in marks]


def _apart(ends: list[tuple[float, int]], gap: float, up: Axis) -> list[float]:
  """Heights of labels near their curves' ends that do not overlap."""
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
