"""Training curves as small multiples: a panel a submission and workload."""

import math
from typing import NamedTuple

from markupsafe import Markup

from runner.rules import Row
from scoring import axes, numbers, svg
from scoring.axes import Axis
from scoring.board import Board, Standing
from scoring.trials import Trial

# Points of all curves on the page together: some 9 bytes each.
POINTS = 18_000


class Panels(NamedTuple):
  """What the small multiples of one workload share."""

  row: Row
  across: Axis  # Charged seconds.
  up: Axis  # The target metric.
  points: int  # A curve at most.
  budget: float
  id: str  # Of the elements that all panels refer to.


def share(board: Board, workload: str, number: int, budget: float) -> Panels:
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
  ticks = axes.labelled(shared.up.ticks(5))
  parts += [
    svg.grid(shared.across, axes.times(shared.across), shared.up, ticks),
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
  parts += [_curve(shared, trial, svg.series(index)) for trial in trials]
  parts.append(Markup('</g>'))
  text = (
    f'{row.metric} of {standing.submission} on {row.workload} against charged '
    f'seconds, {len(trials)} trials.'
  )
  return svg.draw(320, 196, text, parts)


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
    picks = {
      round(last * n / (shared.points - 1)) for n in range(shared.points)
    }
    points = [points[n] for n in sorted(picks)]
  places = [f'{shared.across(s):.0f} {shared.up(v):.1f}' for s, v in points]
  return 'M' + ' '.join(places) if places else ''


def _finite(trial: Trial, positive: bool = False) -> list[tuple[float, float]]:
  return [
    (e.seconds, e.value)
    for e in trial.evals
    if math.isfinite(e.value) and (e.value > 0 or not positive)
  ]
