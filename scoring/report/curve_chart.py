"""Draw training curves: one panel per submission and workload.

Every curve is drawn once, in definitions that all panels refer to: in colour
in the submission's own panel, in grey in the other panels.
"""

import math
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from runner.protocol.workload_spec import WorkloadSpec
from scoring.load.trial import Trial
from scoring.rank import board as boards
from scoring.rank.board import Board, Standing
from scoring.report import axes, formats, svg
from scoring.report.axes import Axis

# Points of all curves of the page together, about 9 bytes each.
POINTS = 18_000


class Panels(NamedTuple):
  """Properties that all panels of one workload share."""

  row: WorkloadSpec
  across: Axis  # Charged seconds.
  up: Axis  # The target metric.
  points: int  # Largest number of points per curve.
  budget: float  # Charged seconds, inf if unknown.
  id: str  # Prefix of the ids that panels refer to.
  effort: str  # Unit of `across`, see Cell.


def draw(board: Board, workload: str, number: int) -> tuple[Markup, list]:
  """Return shared definitions, and a panel for each submission.

  Args:
    board: The scored board.
    workload: The workload's name.
    number: The workload's number, which makes ids unique.
  """
  panels = _share(board, workload, number)
  shown = [
    _panel(panels, standing, index)
    for index, standing in enumerate(board.standings)
  ]
  return _definitions(panels, board.standings), shown


def _share(board: Board, workload: str, number: int) -> Panels:
  row = board.rules.workloads[workload]
  cells = [standing.cells[workload] for standing in board.standings]
  budget = boards.budget(cells)
  curves = [_finite(trial) for cell in cells for trial in cell.trials]
  low, high, log = axes.interesting(
    [values for _, values in curves], row.target, row.better == 'lower'
  )
  last = max((float(s[-1]) for s, _ in curves if s.size), default=1.0)
  end = max(last, budget) if math.isfinite(budget) else last
  total = len(curves) * len(board.rules.workloads)
  return Panels(
    row=row,
    across=Axis(0.0, 1.02 * (end or 1.0), 44.0, 312.0),
    up=Axis(low, high, 168.0, 10.0, log),
    points=max(10, min(60, POINTS // max(1, total))),
    budget=budget,
    id=f'w{number}',
    effort=board.effort,
  )


def _definitions(panels: Panels, standings: list[Standing]) -> Markup:
  across, up, row = panels.across, panels.up, panels.row
  frame = [
    svg.grid(
      across, axes.times(across, panels.effort), up, axes.labelled(up.ticks(5))
    )
  ]
  if row.target is not None:
    frame.append(
      Markup('<path class="target" d="M44 {:.1f} H312"/>').format(
        up(row.target)
      )
    )
  if math.isfinite(panels.budget):
    frame.append(
      Markup('<path class="budget" d="M{:.1f} 10 V168"/>').format(
        across(panels.budget)
      )
    )
  curves = [
    svg.whose(
      index,
      [
        Markup('<path id="{}" d="{}"/>').format(
          _id(panels, index, number), _path(panels, trial)
        )
        for number, trial in enumerate(standing.cells[row.workload].trials)
        if trial.evals
      ],
    )
    for index, standing in enumerate(standings)
  ]
  return svg.shared(
    [
      Markup(
        '<clipPath id="{id}c"><rect x="44" y="6" width="272" height="162"/>'
        '</clipPath><g id="{id}f">{frame}</g><g id="{id}">{curves}</g>'
      ).format(
        id=panels.id, frame=Markup().join(frame), curves=Markup().join(curves)
      )
    ]
  )


def _panel(panels: Panels, standing: Standing, index: int) -> Markup:
  """Draw one submission's curves in colour, over all curves in grey."""
  trials = standing.cells[panels.row.workload].trials
  curves = [
    _curve(panels, trial, index, number)
    for number, trial in enumerate(trials)
    if trial.evals
  ]
  text = (
    f'{panels.row.metric} of {standing.submission} on {panels.row.workload} '
    f'against {formats.EFFORTS[panels.effort]}, {len(trials)} trials.'
  )
  inside = Markup(
    '<use href="#{id}f"/><g clip-path="url(#{id}c)">'
    '<use href="#{id}" class="context"/>{curves}</g>'
  ).format(id=panels.id, curves=Markup().join(curves))
  return svg.draw(320, 196, text, [inside])


def _curve(panels: Panels, trial: Trial, index: int, number: int) -> Markup:
  key, classes = trial.key, svg.series(index)
  which = f'study {key.study}, trial {key.trial}'
  made = Markup(
    '<use href="#{id}" class="curve {c}"><title>{which}: {state}, {metric} '
    '{last} after {seconds}</title></use>'
  ).format(
    id=_id(panels, index, number),
    c=classes,
    which=which,
    state=trial.state,
    metric=panels.row.metric,
    last=formats.metric(float(trial.evals.values[-1])),
    seconds=formats.effort(trial.seconds, panels.effort),
  )
  seconds, values = _finite(trial)
  if trial.at is not None:
    made += Markup(
      '<circle class="hit {c}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>'
      '{which}: target reached in {s}</title></circle>'
    ).format(
      c=classes,
      x=panels.across(trial.hit),
      y=panels.up(float(trial.evals.values[trial.at])),
      which=which,
      s=formats.effort(trial.hit, panels.effort),
    )
  elif seconds.size and (trial.open or trial.state == 'diverged'):
    x, y = panels.across(seconds[-1]), panels.up(values[-1])
    y = min(164.0, max(14.0, y))
    made += Markup(
      '<path class="stop" d="M{a:.1f} {b:.1f} l7 7 m0 -7 l-7 7"><title>'
      '{which}: {state}. {reason}</title></path>'
    ).format(
      a=x - 3.5, b=y - 3.5, which=which, state=trial.state, reason=trial.reason
    )
  return made


def _id(panels: Panels, index: int, number: int) -> str:
  return f'{panels.id}-{index}-{number}'


def _path(panels: Panels, trial: Trial) -> str:
  seconds, values = _finite(trial, panels.up.log)
  if len(seconds) > panels.points:
    # Keep the last point: the hit, or the end of the trial.
    picks = np.linspace(0, len(seconds) - 1, panels.points).round().astype(int)
    seconds, values = seconds[picks], values[picks]
  pairs = zip(seconds.tolist(), values.tolist(), strict=True)
  places = [f'{panels.across(s):.0f} {panels.up(v):.1f}' for s, v in pairs]
  return 'M' + ' '.join(places) if places else ''


def _finite(
  trial: Trial, positive: bool = False
) -> tuple[np.ndarray, np.ndarray]:
  """Return seconds and values [N] of the evaluations that can be drawn."""
  values = trial.evals.values
  keep = np.isfinite(values)
  if positive:
    keep &= values > 0
  return trial.evals.seconds[keep], values[keep]
