"""The leaderboard for programs: CSV and JSON."""

import csv
import io
import math
from typing import Any

from scoring import uncertainty
from scoring.analysis import Analysis
from scoring.board import Board, Standing
from scoring.read import Results


def leaderboard_csv(board: Board, analysis: Analysis) -> str:
  """A line a submission.

  The rank is empty with open cells, the interval where there is one study.
  """
  head = ['submission', 'rank', 'score', 'score_low', 'score_high']
  head += ['best_case', 'reached', 'workloads', 'open_cells']
  rows = [
    [
      s.submission,
      s.rank,
      s.score,
      *(uncertainty.interval(board, analysis.spread, s.submission) or ('', '')),
      s.best_case,
      s.reached,
      len(board.rules.scored),
      s.open_cells,
    ]
    for s in board.standings
  ]
  return _csv(head, rows)


def times_csv(board: Board) -> str:
  """Submissions by workloads in seconds: inf for a miss, empty if open.

  Where a published board leaves all studies out, it is empty too.
  """
  names = list(board.rules.workloads)
  cells = board.times.cells
  rows = []
  for standing in board.standings:
    row = cells[board.times.submissions.index(standing.submission)].tolist()
    known = zip(names, row, strict=True)
    rows.append(
      [
        standing.submission,
        *(
          '' if standing.cells[name].open or math.isnan(seconds) else seconds
          for name, seconds in known
        ),
      ]
    )
  return _csv(['submission', *names], rows)


def everything(
  results: Results, board: Board, analysis: Analysis
) -> dict[str, Any]:
  """Everything for programs; null where there is no number."""
  rules = board.rules
  return {
    'suite': rules.name,
    'version': rules.version,
    'ruleset': results.ruleset,
    'cutoff': rules.cutoff,
    'integral': board.integral,
    'reading': board.rules.reading._asdict(),
    'hardware': results.machine,
    'plan': results.hash,
    'provisional': board.provisional,
    'workloads': {
      name: {
        'metric': row.metric,
        'better': row.better,
        'target': row.target,
        'budget_seconds': results.budgets.get(name),
        'held_out_of': row.held_out_of,
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
      d._asdict() for d in analysis.differences
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
    'level': uncertainty.LEVEL,
    'not_told_apart': analysis.ties,
    'faster': {
      name: dict(zip(names, row, strict=True))
      for name, row in zip(names, spread.faster.tolist(), strict=True)
    },
  }


def _standing(
  standing: Standing, board: Board, analysis: Analysis
) -> dict[str, Any]:
  facts = standing._asdict()
  cells = facts.pop('cells')
  name, spread = standing.submission, analysis.spread
  low, high = uncertainty.interval(board, spread, name) or (None, None)
  ranks = uncertainty.rank_interval(board, spread, name) or (None, None)
  facts |= {'score_low': low, 'score_high': high}
  facts |= {'rank_low': ranks[0], 'rank_high': ranks[1]}
  return facts | {
    'workloads': {
      name: {
        'state': found.state,
        'seconds': _number(found.seconds),
        'ratio': _number(found.ratio),
        'credit': _number(found.credit),
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
  """Null instead of what JSON has no number for."""
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value


def _csv(head, rows) -> str:
  file = io.StringIO()
  writer = csv.writer(file, lineterminator='\n')
  writer.writerows([head, *rows])
  return file.getvalue()
