"""Facts on each entry of a board: kind, paper, points, costs and source."""

import ast
import pathlib
import re
from typing import Any, NamedTuple

from runner.protocol import layout
from scoring.load import safe_files
from scoring.load.results import Results
from scoring.rank.analysis import Analysis
from scoring.rank.board import Standing
from scoring.report import colours, formats, kinds

PAPER = re.compile(r'\barXiv:\s?(\d{4}\.\d{4,5})')
STATE = re.compile(r'\bState: ([^.]*(?:\.\d+[^.]*)*)')
LONGEST = 30_000  # Bytes of a source that the page shows.
MOST = 400_000  # Bytes of all sources together.


class Written(NamedTuple):
  """Words of a submission's source on itself."""

  source: str  # '' if it is not recorded, or not short.
  about: str  # First sentence of its docstring.
  paper: str  # arXiv number, or ''.
  state: str  # Size of its state beside the model, in words.


NOTHING = Written('', '', '', '')


def table(
  results: Results, standings: list[Standing], analysis: Analysis
) -> list[dict[str, Any]]:
  """Return the facts of every entry for the page's script.

  Args:
    results: The results.
    standings: The board's standings, in the order of the page.
    analysis: The analysis of the board.
  """
  found, total = [], 0
  for standing in standings:
    name = standing.submission
    told = _written(results, standing)
    total += len(told.source)
    points, numbered = _points(standing, analysis)
    trials = [t for cell in standing.cells.values() for t in cell.trials]
    found.append(
      {
        'name': name,
        'hue': colours.hue(name),
        'dash': colours.dash(name),
        'kind': kinds.kind(name),
        'about': told.about,
        'paper': told.paper,
        'state': told.state,
        'source': told.source if total <= MOST else '',
        'points': points,
        'point_of': [
          [numbered[trial.key] for trial in cell.trials]
          for cell in standing.cells.values()
        ],
        'effort': _effort(results, standing),
        'optimizer': [
          _most([analysis.details[t.key].optimizer for t in cell.trials])
          for cell in standing.cells.values()
        ],
        'memory': _most(
          [
            count
            for t in trials
            for count in analysis.details[t.key].memory.values()
          ]
        ),
      }
    )
  return found


def _written(results: Results, standing: Standing) -> Written:
  """Return what the recorded source says; NOTHING if there is none."""
  for cell in standing.cells.values():
    for trial in cell.trials:
      if results.plan and trial.evals:
        return read(layout.source(trial.folder, standing.submission))
  return NOTHING


def read(path: pathlib.Path) -> Written:
  """Return what a submission's file says of itself, without running it.

  Args:
    path: The file; NOTHING is returned if it is not a short Python file.
  """
  try:
    source = safe_files.plain(path, LONGEST).read_text(encoding='utf-8')
    said = ast.get_docstring(ast.parse(source)) or ''
  except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
    return NOTHING
  said = ' '.join(said.split())
  about = re.match(r'.*?[.!?](?= |$)|.*', said)
  paper, state = PAPER.search(said), STATE.search(said)
  return Written(
    source,
    about.group() if about else '',
    paper.group(1) if paper else '',
    state.group(1) if state else '',
  )


def _effort(results: Results, standing: Standing) -> str:
  """Return in words how an entry's points were chosen, as far as known."""
  numbers = {
    trial.key.trial for cell in standing.cells.values() for trial in cell.trials
  }
  if results.ruleset == 'self':
    return 'one point for all workloads, chosen before the race'
  if results.ruleset == 'external':
    return f'{len(numbers)} points a study, drawn from its search space'
  return f'{len(numbers)} trials a study'


def _points(
  standing: Standing, analysis: Analysis
) -> tuple[list[list[tuple[str, str]]], dict[Any, int]]:
  """Return distinct points, and the index of each trial's point.

  Most trials share their points, so the page lists each point once.
  """
  points: list[list[tuple[str, str]]] = []
  known: dict[str, int] = {}
  of = {}
  for cell in standing.cells.values():
    for trial in cell.trials:
      point = analysis.details[trial.key].hyperparameters
      name = repr(sorted(point.items()))
      if name not in known:
        known[name] = len(points)
        points.append(formats.hyperparameters(point))
      of[trial.key] = known[name]
  return points, of


def _most(values: list[int | None]) -> int | None:
  return max((v for v in values if v is not None), default=None)
