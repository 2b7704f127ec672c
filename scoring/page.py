"""The report as one HTML page that opens offline."""

import collections
import math
import os
import pathlib
import urllib.parse
from typing import Any

import jinja2
from markupsafe import Markup, escape

from runner import records
from scoring import board as boards, curves, numbers, profiles, svg, text
from scoring.board import Board
from scoring.read import Results
from scoring.trials import Trial

HERE = pathlib.Path(__file__).parent
ACCOUNTS = ('compile', 'data', 'train', 'view')  # Charged.


def render(results: Results, board: Board, out: pathlib.Path) -> str:
  """The page; links to trials are relative to the folder it is written to."""
  loader = jinja2.FileSystemLoader(HERE)
  environment = jinja2.Environment(
    loader=loader,
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters |= {
    'seconds': numbers.seconds,
    'metric': numbers.metric,
    'ratio': numbers.ratio,
    'score': numbers.score,
    'hyperparameters': numbers.hyperparameters,
    'finite': math.isfinite,
    'breakable': _breakable,
  }
  return environment.get_template('page.html').render(
    r=results,
    board=board,
    rules=board.rules,
    workloads=board.rules.workloads,
    title=text.title(results),
    facts=text.facts(results),
    summary=text.summary(board),
    css=(HERE / 'page.css').read_text(),
    script=(HERE / 'page.js').read_text(),
    profiles=profiles.draw(board),
    panels=_panels(board),
    clocks=_clocks(board),
    series=svg.series,
    link=lambda trial: link(trial, out),
    chip=_chip,
    versions=_versions(results),
    states=_states(results),
    data=text.table(results, board),
  )


def link(trial: Trial, out: pathlib.Path) -> str:
  """The way from the page to the trial's folder; '' if it was not run."""
  if not trial.folder.exists():
    return ''
  way = os.path.relpath(trial.folder.resolve(), out.resolve())
  posix = pathlib.PurePath(way).as_posix()
  return urllib.parse.quote(posix, errors='surrogateescape') + '/'


def _breakable(name: str) -> Markup:
  """A name that may be broken after its underscores."""
  return escape(name).replace('_', Markup('_<wbr>'))


def _panels(board: Board) -> dict[str, list[Any]]:
  """The training curves of every workload, a panel a submission."""
  made = {}
  for number, workload in enumerate(board.rules.workloads):
    cells = [standing.cells[workload] for standing in board.standings]
    shared = curves.share(board, workload, number, boards.budget(cells))
    made[workload] = [
      curves.panel(shared, board.standings, index)
      for index in range(len(board.standings))
    ]
  return made


def _clocks(board: Board) -> dict[str, list[dict[str, Any]]]:
  """Mean seconds a trial by account, as shares of the workload's longest."""
  made = {}
  for workload in board.rules.workloads:
    found = {
      standing.submission: boards.spent(standing.cells[workload])
      for standing in board.standings
    }
    longest = max((sum(spent.values()) for spent in found.values()), default=0)
    made[workload] = [
      _bar(name, spent, longest) for name, spent in found.items() if spent
    ]
  return {workload: bars for workload, bars in made.items() if bars}


def _bar(name: str, spent: dict[str, float], longest: float) -> dict[str, Any]:
  charged = [(account, spent.get(account, 0.0)) for account in ACCOUNTS]
  free = [(a, s) for a, s in spent.items() if a not in ACCOUNTS]
  parts = []
  at = 0.0
  for kind, seconds in [*charged, ('free', sum(s for _, s in free))]:
    width = 100 * seconds / longest if longest else 0.0
    parts.append((kind, at, width, seconds))
    at += width
  return {
    'submission': name,
    'parts': parts,
    'charged': sum(s for _, s in charged),
    'compile': spent.get('compile', 0.0),
    'data': spent.get('data', 0.0),
    'free': free,
    'free_seconds': sum(s for _, s in free),
  }


def _chip(trial: Trial) -> str:
  """The kind of mark that a trial's state gets."""
  if trial.state in ('reached', 'diverged', 'missing'):
    return trial.state
  return 'open' if trial.state not in records.SCORED else 'missed'


def _states(results: Results) -> dict[str, int]:
  """How many trials are in which state, the frequent ones first."""
  return dict(
    collections.Counter(t.state for t in results.trials).most_common()
  )


def _versions(results: Results) -> list[tuple[str, list[tuple[str, int]]]]:
  """What the trials ran on, and how many of them on which."""
  counts: dict[str, collections.Counter] = {}
  for trial in results.trials:
    for name, value in _flat(trial.facts).items():
      counts.setdefault(name, collections.Counter())[value] += 1
  return [(name, found.most_common()) for name, found in counts.items()]


def _flat(facts: dict[str, Any]) -> dict[str, str]:
  wanted = {
    'python_version': 'Python',
    'platform': 'Platform',
    'devices': 'Devices',
    'git_commit_hash': 'Commit',
  }
  found = {
    label: ', '.join(map(str, value)) if isinstance(value, list) else str(value)
    for name, label in wanted.items()
    if (value := facts.get(name)) not in (None, [], '')
  }
  if facts.get('git_changes') and 'Commit' in found:
    found['Commit'] += ' with uncommitted changes'
  packages = facts.get('packages')
  return found | {
    str(name): str(version)
    for name, version in (
      packages.items() if isinstance(packages, dict) else ()
    )
  }
