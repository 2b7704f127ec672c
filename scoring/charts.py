"""Charts as inline SVG: performance profiles and training curves.

Colours come from the page's style sheet: a submission's class is `s0` to `s7`,
and `d1`, `d2`, ... dashes where there are more than eight. Texts are escaped by
markupsafe.
"""

import math
from typing import NamedTuple

from markupsafe import Markup

from runner.rules import Row
from scoring import axes, numbers
from scoring.axes import Axis
from scoring.board import Board, Standing
from scoring.trials import Trial

COLOURS = 8
# Points of all curves on the page together: some 9 bytes each.
POINTS = 24_000


def series(index: int) -> str:
  """The classes of the submission in this place of the board."""
  return f's{index % COLOURS} d{min(3, index // COLOURS)}'


def profiles(board: Board) -> Markup:
  """Step curves: the share of workloads reached within tau of the fastest."""
  count = len(board.standings)
  width, bottom = 700.0, max(300.0, 16.0 * count + 40)
  cutoff = board.rules.cutoff
  across = Axis(1.0, cutoff, 42.0, 520.0)
  up = Axis(0.0, 1.0, bottom, 22.0)
  parts = [_grid(across, across.ticks(6), up, _shares(board), '{}×', '{}')]
  spread = min(2.6, 16.0 / count)
  ends = []
  for index, standing in enumerate(board.standings):
    # A hair apart, so that curves which coincide can all be seen.
    shift = (index - (count - 1) / 2) * spread
    parts.append(_steps(standing, series(index), across, up, shift, cutoff))
    ends.append((up(_share(standing, cutoff)) + shift, index))
  for y, (end, index) in zip(_apart(ends, 15.0, up), ends, strict=True):
    standing = board.standings[index]
    mark = '' if standing.rank else ' so far'
    parts.append(
      Markup(
        '<path class="leader {c}" d="M520 {end:.1f} L532 {y:.1f} H540"/>'
        '<text class="name" x="545" y="{at:.1f}">{name} '
        '<tspan class="faint">{score:.3f}{mark}</tspan></text>'
      ).format(
        c=series(index),
        end=end,
        y=y,
        at=y + 4,
        name=_short(standing.submission, 17),
        score=standing.score,
        mark=mark,
      )
    )
  parts.append(
    Markup(
      '<text class="axis" x="281" y="{}" text-anchor="middle">'
      'time to target ÷ fastest time</text>'
    ).format(bottom + 34)
  )
  names = ', '.join(s.submission for s in board.standings)
  text = (
    'Performance profiles: share of workloads reached within a multiple of '
    f'the fastest time, up to {cutoff:g}, of {names}.'
  )
  return _svg(width, bottom + 40, text, parts)


class Panels(NamedTuple):
  """What the small multiples of one workload share."""

  row: Row
  across: Axis  # Charged seconds.
  up: Axis  # The target metric.
  points: int  # A curve at most.
  budget: float
  id: str  # Of the elements that all panels refer to.


def panels(board: Board, workload: str, number: int, budget: float) -> Panels:
  """Axes for the training curves on one workload."""
  row = board.rules.workloads[workload]
  every = [t for s in board.standings for t in s.cells[workload].trials]
  curves = [_finite(trial) for trial in every]
  low, high, log = axes.interesting(curves, row.target, row.better == 'lower')
  last = max((c[-1][0] for c in curves if c), default=1.0)
  end = max(last, budget) if math.isfinite(budget) else last
  total = len(every) * len(board.rules.workloads)
  return Panels(
    row,
    Axis(0.0, 1.02 * (end or 1.0), 44.0, 312.0),
    Axis(low, high, 168.0, 10.0, log),
    max(10, min(60, POINTS // max(1, total))),
    budget,
    f'w{number}',
  )


def panel(shared: Panels, standings: list[Standing], index: int) -> Markup:
  """The curves of one submission, before the others' in grey."""
  row = shared.row
  standing = standings[index]
  parts = [] if index else [_context(shared, standings)]
  ticks = shared.up.ticks(4)
  parts += [
    _grid(shared.across, shared.across.ticks(4), shared.up, ticks, '{}', '{}'),
    Markup(
      '<g clip-path="url(#{id}c)"><use href="#{id}" class="context"/>'
    ).format(id=shared.id),
  ]
  if row.target is not None:
    parts.append(
      Markup(
        '<path class="target" d="M44 {y:.1f} H312"><title>target: {m} {t}'
        '</title></path>'
      ).format(y=shared.up(row.target), m=row.metric, t=row.target)
    )
  if math.isfinite(shared.budget):
    parts.append(
      Markup(
        '<path class="budget" d="M{x:.1f} 10 V168"><title>budget: {s}</title>'
        '</path>'
      ).format(x=shared.across(shared.budget), s=numbers.seconds(shared.budget))
    )
  trials = standing.cells[row.workload].trials
  parts += [_curve(shared, trial, series(index)) for trial in trials]
  parts.append(Markup('</g>'))
  text = (
    f'{row.metric} of {standing.submission} on {row.workload} against charged '
    f'seconds, {len(trials)} trials.'
  )
  return _svg(320, 196, text, parts)


def _curve(shared: Panels, trial: Trial, classes: str) -> Markup:
  key = trial.key
  made = Markup(
    '<path class="curve {c}" d="{d}"><title>{name}, study {study}, trial '
    '{trial}: {state}, {metric} {last} after {seconds}</title></path>'
  ).format(
    c=classes,
    d=_path(shared, trial),
    name=key.submission,
    study=key.study,
    trial=key.trial,
    state=trial.state,
    metric=shared.row.metric,
    last=numbers.metric(trial.evals[-1].value if trial.evals else math.nan),
    seconds=numbers.seconds(trial.seconds),
  )
  points = _finite(trial)
  if math.isfinite(trial.hit):
    value = next(v for s, v in points if s == trial.hit)
    made += Markup(
      '<circle class="hit {c}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>'
      'study {study}: target reached in {s}</title></circle>'
    ).format(
      c=classes,
      x=shared.across(trial.hit),
      y=shared.up(value),
      study=key.study,
      s=numbers.seconds(trial.hit),
    )
  elif points and (trial.open or trial.state == 'diverged'):
    x, y = shared.across(points[-1][0]), shared.up(points[-1][1])
    y = min(164.0, max(14.0, y))
    made += Markup(
      '<path class="stop" d="M{a:.1f} {b:.1f} l7 7 m0 -7 l-7 7"><title>study '
      '{study}: {state}. {reason}</title></path>'
    ).format(
      a=x - 3.5,
      b=y - 3.5,
      study=key.study,
      state=trial.state,
      reason=trial.reason,
    )
  return made


def _context(shared: Panels, standings: list[Standing]) -> Markup:
  """Everybody's curves, drawn once and used in every panel."""
  paths = [
    _path(shared, trial)
    for standing in standings
    for trial in standing.cells[shared.row.workload].trials
  ]
  return Markup(
    '<defs><clipPath id="{id}c"><rect x="44" y="6" width="272" height="162"/>'
    '</clipPath><path id="{id}" d="{d}"/></defs>'
  ).format(id=shared.id, d=' '.join(paths))


def _path(shared: Panels, trial: Trial) -> str:
  points = _finite(trial, shared.up.log)
  if len(points) > shared.points:
    # The last point is kept: it is the hit, or how far the trial got.
    last = len(points) - 1
    picks = {round(last * n / (shared.points - 1)) for n in range(shared.points)}
    points = [points[n] for n in sorted(picks)]
  places = [f'{shared.across(s):.0f} {shared.up(v):.1f}' for s, v in points]
  return 'M' + ' '.join(places) if places else ''


def _finite(trial: Trial, positive: bool = False) -> list[tuple[float, float]]:
  return [
    (e.seconds, e.value)
    for e in trial.evals
    if math.isfinite(e.value) and (e.value > 0 or not positive)
  ]


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


def _shares(board: Board) -> list[float]:
  """A line for every number of workloads, while they are few."""
  count = len(board.rules.workloads)
  return [n / count for n in range(count + 1)] if count <= 10 else [0, 0.5, 1]


def _grid(across: Axis, xs, up: Axis, ys, x_form: str, y_form: str) -> Markup:
  parts = [Markup('<g class="grid">')]
  for y in ys:
    text = y_form.format(axes.label(y, ys))
    if ys[0] == 0 and ys[-1] == 1:  # Shares.
      text = f'{y:.0%}'
    parts.append(
      Markup(
        '<path d="M{a:.0f} {y:.1f} H{b:.0f}"/><text x="{c:.0f}" y="{d:.1f}" '
        'text-anchor="end">{t}</text>'
      ).format(
        a=across.start,
        b=across.end,
        y=up(y),
        c=across.start - 6,
        d=up(y) + 3.5,
        t=text,
      )
    )
  for x in xs:
    parts.append(
      Markup(
        '<path d="M{x:.1f} {a:.0f} v4"/><text x="{x:.1f}" y="{b:.0f}" '
        'text-anchor="middle">{t}</text>'
      ).format(
        x=across(x),
        a=up.start,
        b=up.start + 17,
        t=x_form.format(axes.label(x, xs)),
      )
    )
  return Markup().join([*parts, Markup('</g>')])


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


def _svg(width: float, height: float, text: str, parts) -> Markup:
  return Markup(
    '<svg viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{text}">'
    '{inside}</svg>'
  ).format(w=width, h=height, text=text, inside=Markup().join(parts))
