"""Write the report as one HTML page that opens without a network.

Python computes every number; the page holds them as JSON, and its script draws
what a reader asks for. Without the script, the page still shows the ranking,
the times and the method as text.
"""

import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from runner.protocol.suites.workload_spec import INTERPRETATIONS
from scoring.load.results import Results
from scoring.rank import alternatives, bands, bootstrap, score, would_take
from scoring.rank.analysis import Analysis
from scoring.rank.board import Board
from scoring.report import colours, formats, sentences
from scoring.report.findings import Finding
from scoring.report.page import curves, doubts, entries, views

HERE = pathlib.Path(__file__).parent
STYLES = ('page.css', 'charts.css')
# Later files use the functions of earlier ones.
SCRIPTS = (
  'elements.js',
  'formats.js',
  'state.js',
  'charts.js',
  'ranking.js',
  'compare.js',
  'profiles.js',
  'workloads.js',
  'entries.js',
  'doubts.js',
  'tips.js',
  'start.js',
)


def render(
  results: Results,
  board: Board,
  analysis: Analysis,
  findings: Sequence[Finding] | None = None,
) -> str:
  """Return the page as HTML.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    analysis: The analysis of the board.
    findings: Findings of `verify`; None if it was not run.
  """
  title = sentences.page_title(results, analysis.details.values())
  facts = sentences.facts(results, analysis.details.values())
  source = (
    _environment()
    .get_template('page.html')
    .render(
      r=results,
      board=board,
      rules=board.rules,
      a=analysis,
      title=title,
      facts=[fact for fact in facts if fact not in title],
      headline=sentences.headline(board, analysis.spread),
      bands=bands.bands(board, analysis.spread),
      workloads=board.rules.held_out_last,
      scored=list(board.rules.scored),
      departures=_departures(board, analysis),
      css=_text(STYLES),
      script=_text(SCRIPTS),
      data=_embedded(data(results, board, analysis, findings)),
    )
  )
  return sentences.clean(source)  # Jinja has escaped quotes and brackets.


def data(
  results: Results,
  board: Board,
  analysis: Analysis,
  findings: Sequence[Finding] | None = None,
) -> dict[str, Any]:
  """Return everything that the page's script draws.

  Lists over entries and workloads are in the order of `entries` and
  `workloads`.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    analysis: The analysis of the board.
    findings: Findings of `verify`; None if it was not run.
  """
  rules = board.rules
  names = [standing.submission for standing in board.standings]
  rows = rules.held_out_last
  return {
    'suite': sentences.title(results),
    'ruleset': results.ruleset,
    'cutoff': rules.cutoff,
    'ladder': list(rules.ladder),
    'level': bootstrap.LEVEL,
    'sure': bootstrap.SURE,
    'drawn': sentences.DRAWN[analysis.spread.unit] if analysis.spread else '',
    'draws': analysis.spread.draws if analysis.spread else 0,
    'paired': board.times.paired,
    'reference': names.index(analysis.reference),
    'charged': list(rules.charges.accounts),
    'dashes': [' '.join(map(str, dash)) for dash in colours.DASHES],
    'entries': entries.table(results, board.standings, analysis),
    'workloads': [
      {
        'name': name,
        'metric': row.metric,
        'lower': row.better == 'lower',
        'target': row.target,
        'words': sentences.target(board, name),
        'held_out_of': row.held_out_of,
        'scored': name in rules.scored,
        **shown,
      }
      for (name, row), shown in zip(
        rows.items(), curves.ranges(board), strict=True
      )
    ],
    'views': [
      views.table(view, names, list(rows))
      for view in views.views(results, board, analysis)
    ],
    'takes': _takes(results, board, names, list(rows)),
    'takes_most': would_take.MOST,
    'trials': curves.table(results, board),
    'clock': curves.clock(board),
    'speeds': [_speed(analysis, name) for name in names],
    'without': [
      {'name': name, 'scores': [round(scores[n], 5) for n in names]}
      for name, scores in analysis.without.items()
    ],
    'sensitivity': [
      {
        'entry': names.index(one.submission),
        'workload': one.workload,
        'rates': list(one.rates),
        'metric': _finite(one.metric),
        'seconds': _finite(one.seconds),
      }
      for one in analysis.sensitivity
    ],
    'doubt': doubts.table(results, board, analysis, findings),
  }


def _takes(
  results: Results, board: Board, names: list[str], rows: list[str]
) -> list[list[list[float | None] | None]]:
  """Return the budgets that misses would have needed, as forecasts.

  Each is an interval [low, high]; None stands for more than `takes_most`.
  """
  found = would_take.table(board, planned=results.plan is not None)
  return [
    [
      [_finite(round(end, 1)) for end in (told[0], told[-1])]
      if (told := found.get((name, row)))
      else None
      for row in rows
    ]
    for name in names
  ]


def _speed(analysis: Analysis, name: str) -> dict[str, Any]:
  """Return means of an entry's speed against the reference."""
  [found] = [one for one in analysis.speedups if one.submission == name]
  return {
    'geometric': _finite(found.geometric),
    'arithmetic': _finite(found.arithmetic),
    'both': _finite(found.both),
    'shared': found.shared,
  }


def _finite(value: float) -> float | None:
  return value if math.isfinite(value) else None


def _environment() -> jinja2.Environment:
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters |= {'score': formats.score, 'interval': formats.interval}
  seen: dict[str, Any] = {
    'INTERPRETATIONS': INTERPRETATIONS,
    'LEVEL': bootstrap.LEVEL,
    'DRAWN': sentences.DRAWN,
    'GRID': score.GRID,
    'cell': sentences.cell,
    'target': sentences.target,
    'shown': bands.shown,
    'interval_of': bootstrap.interval,
  }
  environment.globals.update(seen)
  return environment


def _text(names: tuple[str, ...]) -> Markup:
  """Return the content of files of this folder, one after the other."""
  parts = [(HERE / name).read_text(encoding='utf-8') for name in names]
  return Markup('\n'.join(parts))


def _embedded(table: dict[str, Any]) -> Markup:
  """Return JSON in which no text can end the element or hide its content."""
  text = json.dumps(_cleaned(table), separators=(',', ':'), allow_nan=False)
  for mark in '<>&':
    text = text.replace(mark, f'\\u{ord(mark):04x}')
  return Markup(text)


def _cleaned(value: Any) -> Any:
  """Return a table whose texts have no unprintable characters."""
  if isinstance(value, str):
    return sentences.clean(value)
  if isinstance(value, dict):
    return {_cleaned(key): _cleaned(inner) for key, inner in value.items()}
  if isinstance(value, (list, tuple)):
    return [_cleaned(inner) for inner in value]
  return value


def _departures(board: Board, analysis: Analysis) -> list[tuple]:
  """Return departures from the documented rules, with the scores they change.

  Returns:
    [(departure, [difference, ...]), ...].
  """
  return [
    (
      departure,
      [d for d in analysis.differences if d.departure == departure],
    )
    for departure in alternatives.departures(board)
  ]
