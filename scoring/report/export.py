"""Export the leaderboard for programs: CSV and JSON."""

import dataclasses
import math
from typing import Any

import pandas as pd

from scoring.load.projection import Projection
from scoring.load.results import Results
from scoring.rank import bands, bootstrap
from scoring.rank.analysis import Analysis
from scoring.rank.board import Board, Standing

FORMULA = ('=', '+', '-', '@', '\t', '\r', '\n')


def leaderboard(board: Board, analysis: Analysis) -> pd.DataFrame:
  """Return one row per submission.

  A submission with open cells has no rank. A board with one study has no
  intervals and no bands.
  """
  rows = []
  known = bands.bands(board, analysis.spread)
  for s in board.standings:
    ends = bootstrap.interval(board, analysis.spread, s.submission)
    low, high = ends or (math.nan, math.nan)
    band = known.get(s.submission, (None, None))
    rows.append(
      {
        'submission': no_formula(s.submission),
        'rank': s.rank,
        'score': s.score,
        'score_low': low,
        'score_high': high,
        'best_case': s.best_case,
        'reached': s.reached,
        'workloads': len(board.rules.scored),
        'targets_reached': s.rungs,
        'targets': len(board.rules.scored) * len(board.rules.ladder),
        'open_cells': s.open_cells,
        'band_first': band[0],
        'band_last': band[1],
      }
    )
  places = ('rank', 'band_first', 'band_last')
  return pd.DataFrame(rows).astype(dict.fromkeys(places, 'Int64'))


def times_to_target(board: Board) -> pd.DataFrame:
  """Return seconds to the exact target, submissions by workloads.

  A miss is inf, and an open cell is NaN. A cell that a
  published board leaves out is NaN, too.
  """
  names = list(board.rules.workloads)
  table = pd.DataFrame(board.times.cells[0], board.times.submissions, names)
  for standing in board.standings:
    for name, cell in standing.cells.items():
      if cell.open:
        table.loc[standing.submission, name] = math.nan
  table = table.loc[[standing.submission for standing in board.standings]]
  table = table.rename(index=no_formula, columns=no_formula)
  return table.rename_axis('submission')


def no_formula(name: str) -> str:
  """Return a name for CSV files that no spreadsheet runs as a formula.

  A name that looks like a formula gets an apostrophe before it. JSON files
  hold all names unchanged.
  """
  return f"'{name}" if name.startswith(FORMULA) else name


def everything(
  results: Results, board: Board, analysis: Analysis
) -> dict[str, Any]:
  """Return the content of leaderboard.json; null stands for NaN and infinity.

  Args:
    results: The results that the board was made from.
    board: The scored board.
    analysis: The analysis of the board.
  """
  rules = board.rules
  return {
    'suite': rules.name,
    'version': rules.version,
    'ruleset': results.ruleset,
    'cutoff': rules.cutoff,
    'ladder': list(rules.ladder),
    'relaxed': results.relaxed,
    'effort': board.effort,
    'charged': list(rules.charges.accounts),
    'projection': _projection(results.projection),
    'integral': board.integral,
    'reading': dataclasses.asdict(board.rules.interpretation),
    'hardware': _number(results.machine),
    'plan': results.hash,
    'provisional': board.provisional,
    'workloads': {
      name: {
        'metric': row.metric,
        'better': row.better,
        'target': row.target,
        'start': row.start,
        'targets': [rung.target for rung in rules.rungs(name)],
        'budget_seconds': results.budgets.get(name),
        'held_out_of': row.held_out_of,
        'world': row.world,
      }
      for name, row in rules.workloads.items()
    },
    'leaderboard': [_standing(s, board, analysis) for s in board.standings],
    'uncertainty': _uncertainty(board, analysis),
    'without_one_workload': analysis.without,
    'measures': analysis.measures,
    'reference': analysis.reference,
    'speedups': [
      {k: _number(v) for k, v in s._asdict().items()} for s in analysis.speedups
    ],
    'learning_rate_sensitivity': [
      {k: _number(v) for k, v in s._asdict().items()}
      for s in analysis.sensitivity
    ],
    'differences_from_documented_rules': [
      d.departure._asdict()
      | {'submission': d.submission, 'score': d.score, 'other': d.other}
      for d in analysis.differences
    ],
    'problems': [problem._asdict() for problem in analysis.problems],
    'remarks': results.remarks,
  }


def _uncertainty(board: Board, analysis: Analysis) -> dict[str, Any] | None:
  spread = analysis.spread
  if spread is None:
    return None
  names = board.times.submissions
  return {
    'resampled': spread.unit,
    'draws': spread.draws,
    'level': bootstrap.LEVEL,
    'not_told_apart': bands.groups(board, spread),
    'faster': {
      name: dict(zip(names, row, strict=True))
      for name, row in zip(names, spread.faster.tolist(), strict=True)
    },
  }


def _projection(found: Projection) -> dict[str, Any]:
  return {
    'machine': found.machine,
    'projected': found.projected,
    'lacking': found.lacking,
    'agreements': [
      {
        'submission': one.program.submission,
        'workload': one.program.workload,
        'quartiles': _number(one.quartiles),
        'holds': one.holds,
      }
      for one in found.agreements
    ],
  }


def _standing(
  standing: Standing, board: Board, analysis: Analysis
) -> dict[str, Any]:
  facts = standing._asdict()
  cells, rungs = facts.pop('cells'), facts.pop('rungs')
  facts |= {'targets_reached': rungs}
  name, spread = standing.submission, analysis.spread
  low, high = bootstrap.interval(board, spread, name) or (None, None)
  ranks = bootstrap.rank_interval(board, spread, name) or (None, None)
  facts |= {'score_low': low, 'score_high': high}
  facts |= {'rank_low': ranks[0], 'rank_high': ranks[1]}
  band = bands.bands(board, spread).get(name)
  facts |= {'band': list(band) if band else None}
  return facts | {
    'workloads': {
      name: {
        'state': found.state,
        'seconds': _number(found.seconds),
        'ratio': _number(found.ratio),
        'credit': _number(found.credit),
        'targets_reached': found.rungs,
        'seconds_by_target': _number(list(found.times)),
        'credit_by_target': _number(list(found.credits)),
        'studies': {str(k): _number(v) for k, v in found.studies.items()},
        'best': _number(found.best),
        'margin': _number(found.margin),
        'best_in_seconds': _number(found.used),
        'outcome_of_best': found.outcome,
        'open': found.open,
        'no_credit': found.lost,
      }
      for name, found in cells.items()
    }
  }


def _number(value: Any) -> Any:
  """Replace NaN and infinity by None, also inside tables and lists."""
  if isinstance(value, dict):
    return {key: _number(inner) for key, inner in value.items()}
  if isinstance(value, list):
    return [_number(inner) for inner in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
