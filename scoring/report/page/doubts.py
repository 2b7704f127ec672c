"""Facts for readers who doubt: findings, hashes, versions and commands."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from runner.protocol import layout
from scoring.load.results import Results
from scoring.rank import bootstrap, score
from scoring.rank.analysis import Analysis
from scoring.rank.board import Board
from scoring.rank.bootstrap import Spread
from scoring.report import sentences, versions
from scoring.report.findings import Finding, folded

LISTED = 200  # Findings and problems that the page lists.


def table(
  results: Results,
  board: Board,
  analysis: Analysis,
  findings: Sequence[Finding] | None,
) -> dict[str, Any]:
  """Return the facts of the section on doubts.

  Args:
    results: The results.
    board: The scored board.
    analysis: The analysis of the board.
    findings: Findings of `verify`; None if it was not run.
  """
  known = {(problem.path, problem.reason) for problem in analysis.problems}
  found = list(findings or ())
  unknown = [x for x in found if x[1] and (x[0], x[2]) not in known]
  doubts = list(folded(unknown))
  notes = list(folded(x for x in found if not x[1]))
  opened = [
    (standing.submission, name, reason)
    for standing in board.standings
    for name, cell in standing.cells.items()
    for reason in cell.open
  ]
  return {
    'checked': findings is not None,
    'doubts': doubts[:LISTED],
    'notes': notes[:LISTED],
    'problems': [tuple(p) for p in analysis.problems[:LISTED]],
    'open': opened[:LISTED],
    'counts': {
      'doubts': len(doubts),
      'notes': len(notes),
      'problems': len(analysis.problems),
      'open': len(opened),
    },
    'policy': sentences.policy(results.rules.charges),
    'commands': commands(results, board, analysis.spread),
    'hashes': _hashes(results),
    'versions': versions.versions(
      [found.facts for found in analysis.details.values()]
    ),
  }


def commands(
  results: Results, board: Board, spread: Spread | None
) -> list[str]:
  """Return the commands that make the same board again.

  Args:
    results: The results.
    board: The scored board.
    spread: The resampled board, or None.
  """
  plan, rules = results.plan, results.rules
  scored = ''.join(f' {flag}' for flag in _scored(results, board, spread))
  if plan is None:
    ruleset = f' --ruleset={results.ruleset}' if results.ruleset else ''
    suite = shlex.quote(rules.name)
    return [f'timetrial score LOGS --suite={suite}{ruleset}{scored}']
  names = dict.fromkeys(trial.submission for trial in plan.trials)
  studies = len({trial.study for trial in plan.trials})
  untimed = any(not trial.timed for trial in results.trials)
  words = [
    'timetrial run',
    f'--suite={shlex.quote(plan.suite.name)}',
    f'--ruleset={plan.ruleset}',
    f'--workloads={shlex.quote(",".join(plan.suite.workloads))}',
    f'--submissions={shlex.quote(",".join(names))}',
    f'--studies={studies}',
    *([f'--stop={plan.stop}'] if plan.stop else []),
    *(['--untimed'] if untimed else []),
    '--out=results',
  ]
  return [' '.join(words), f'timetrial score results --out=report{scored}']


def _scored(
  results: Results, board: Board, spread: Spread | None
) -> Iterator[str]:
  """Yield the flags that change scores and intervals."""
  if results.effort == 'steps':
    yield '--by=steps'
  if results.relaxed:
    yield f'--relax={results.relaxed:g}'
  if board.integral != score.INTEGRALS[0]:
    yield f'--integral={board.integral}'
  if spread is None:
    return
  if spread.unit != bootstrap.UNITS[0]:
    yield f'--resample={spread.unit}'
  if spread.draws != bootstrap.DRAWS:
    yield f'--draws={spread.draws}'
  if spread.seed != bootstrap.SEED:
    yield f'--seed={spread.seed}'


def _hashes(results: Results) -> list[tuple[str, str]]:
  """Return hashes by what they are of: the plan, its rules, its sources."""
  plan = results.plan
  if plan is None:
    return []
  found = [(layout.PLAN, plan.hash)]
  found += [(f'rule: {n}', str(h)) for n, h in (plan.hashes or {}).items()]
  return found + [
    (f'source of {name}', source.sha256)
    for name, source in plan.sources.items()
  ]
