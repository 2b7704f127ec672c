"""Write the report as one HTML page that opens offline."""

import collections
import math
import os
import pathlib
import urllib.parse
from collections.abc import Callable
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup, escape

from runner.protocol import layout
from runner.protocol.plan import TrialKey
from runner.protocol.workload_spec import INTERPRETATIONS
from scoring.load.details import Details
from scoring.load.results import Results
from scoring.load.trial import Trial
from scoring.rank import alternatives, bands, bootstrap, costs, score, times
from scoring.rank.analysis import Analysis
from scoring.rank.board import Board, Standing
from scoring.report import (
  curve_chart,
  dot_chart,
  export,
  formats,
  profile_chart,
  sentences,
  svg,
  versions,
)

HERE = pathlib.Path(__file__).parent


def render(
  results: Results, board: Board, analysis: Analysis, out: pathlib.Path
) -> str:
  """Return the page as HTML.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    analysis: The analysis of the board.
    out: The page's folder; links to trials are relative to this folder.
  """
  # Held-out variants last, as in the cells of every standing.
  names = list(board.rules.held_out_last)
  drawn = {
    name: curve_chart.draw(board, name, number)
    for number, name in enumerate(names)
  }
  source = (
    _environment()
    .get_template('page.html')
    .render(
      r=results,
      board=board,
      a=analysis,
      rules=board.rules,
      workloads=board.rules.held_out_last,
      scored=list(board.rules.scored),
      title=sentences.title(results),
      facts=sentences.facts(results, analysis.details.values()),
      summary=sentences.summary(board, analysis.spread),
      sureness=sentences.sureness(board, analysis.spread),
      css=(HERE / 'page.css').read_text(encoding='utf-8'),
      script=(HERE / 'page.js').read_text(encoding='utf-8'),
      profiles=profile_chart.draw(board, analysis.spread),
      plots={
        name: dot_chart.draw(board, name, number)
        for number, name in enumerate(names)
      },
      drawn=drawn,
      clocks=costs.clocks(board),
      memory=costs.memory(board, analysis.details),
      intervals=_intervals(board, analysis),
      bands=bands.bands(board, analysis.spread),
      faster=_faster(board, analysis),
      moved=_moved(board, analysis),
      speedups={s.submission: s for s in analysis.speedups},
      link=_links(results, out),
      points=lambda standing: _points(standing, analysis.details),
      departures=_departures(board, analysis),
      versions=versions.versions([d.facts for d in analysis.details.values()]),
      states=_states(results),
      data=export.everything(results, board, analysis),
    )
  )
  return sentences.clean(source)  # Jinja has escaped quotes and brackets.


def _environment() -> jinja2.Environment:
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.policies['json.dumps_kwargs'] = {'separators': (',', ':')}
  environment.filters |= {
    'seconds': formats.seconds,
    'effort': formats.effort,
    'metric': formats.metric,
    'ratio': formats.ratio,
    'score': formats.score,
    'share': formats.share,
    'interval': formats.interval,
    'size': formats.size,
    'hyperparameters': formats.hyperparameters,
    'finite': math.isfinite,
    'breakable': _breakable,
  }
  # Macros and included templates see globals, but not the page's arguments.
  seen: dict[str, Any] = {
    'series': svg.series,
    'chip': _chip,
    'MEASURES': times.MEASURES,
    'EFFORTS': formats.EFFORTS,
    'projected': sentences.projected,
    'INTERPRETATIONS': INTERPRETATIONS,
    'LEVEL': bootstrap.LEVEL,
    'SURE': bootstrap.SURE,
    'DRAWN': sentences.DRAWN,
    'GRID': score.GRID,
    'targets': sentences.targets,
    'near': sentences.rungs,
    'meaning': sentences.meaning,
  }
  environment.globals.update(seen)
  return environment


def _links(results: Results, out: pathlib.Path) -> Callable[[Trial], str]:
  """Return a function from a trial to its folder's link; '' if not run."""
  top = os.path.relpath(*map(os.path.realpath, (results.folder, out)))

  def link(trial: Trial) -> str:
    if not os.path.exists(trial.folder):  # pathlib's raises on long names.
      return ''
    way = pathlib.PurePath(top, trial.folder.relative_to(results.folder))
    return urllib.parse.quote(way.as_posix(), errors='surrogateescape') + '/'

  return link


def _breakable(name: str) -> Markup:
  """Return a name that the browser may break after underscores."""
  return escape(name).replace('_', Markup('_<wbr>'))


def _intervals(board: Board, analysis: Analysis) -> dict[str, tuple | None]:
  """Return the interval of the score by submission; None if unknown."""
  return {
    s.submission: bootstrap.interval(board, analysis.spread, s.submission)
    for s in board.standings
  }


def _faster(board: Board, analysis: Analysis) -> list[list[float]]:
  """Return how often the row beats the column, in the order of the board."""
  if analysis.spread is None:
    return []
  order = [board.times.submissions.index(s.submission) for s in board.standings]
  return analysis.spread.faster[order][:, order].tolist()


def _moved(board: Board, analysis: Analysis) -> dict[str, dict[str, int]]:
  """Return ranks without one workload, if they differ from the board's ranks.

  Only submissions with a rank on the board take part.
  """
  ranked = [s.submission for s in board.standings if s.rank]
  known = [s.rank for s in board.standings if s.rank]
  found: dict[str, dict[str, int]] = {}
  for workload, scores in analysis.without.items():
    of = np.array([scores[name] for name in ranked])
    ranks = score.ranks(of, np.full(len(ranked), True)).astype(int).tolist()
    now = zip(ranked, ranks, known, strict=True)
    found[workload] = {name: rank for name, rank, was in now if rank != was}
  return found


def _points(
  standing: Standing, details: dict[TrialKey, Details]
) -> tuple[list[dict[str, Any]], dict[TrialKey, int]]:
  """Return a submission's distinct points, and the point's number per trial.

  Most trials share their points, so the page lists each point once.
  """
  points: dict[str, dict[str, Any]] = {}
  numbered: dict[str, int] = {}
  of = {}
  for cell in standing.cells.values():
    for trial in cell.trials:
      point = details[trial.key].hyperparameters
      name = repr(sorted(point.items()))
      points.setdefault(name, point)
      of[trial.key] = numbered.setdefault(name, len(numbered) + 1)
  return list(points.values()), of


def _departures(board: Board, analysis: Analysis) -> list[tuple]:
  """Return departures from the documented rules, with the scores they change.

  Returns:
    [(departure, [(place on the board, difference), ...]), ...].
  """
  places = {s.submission: n for n, s in enumerate(board.standings)}
  return [
    (
      departure,
      [
        (places[d.submission], d)
        for d in analysis.differences
        if d.departure == departure
      ],
    )
    for departure in alternatives.departures(board)
  ]


def _chip(trial: Trial) -> str:
  """Return the CSS class of a trial's mark."""
  if trial.state in ('reached', 'diverged', 'missing'):
    return trial.state
  return 'open' if trial.state not in layout.SCORED else 'missed'


def _states(results: Results) -> dict[str, int]:
  """Return the number of trials by state, frequent states first."""
  return dict(
    collections.Counter(t.state for t in results.trials).most_common()
  )
