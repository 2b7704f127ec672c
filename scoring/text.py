"""The leaderboard as Markdown, CSV, JSON and plain sentences."""

import csv
import io
import math
import re
from typing import Any

from scoring import numbers
from scoring.board import Board, Cell, Standing
from scoring.read import Results

RULESETS = {'self': 'self-tuning ruleset', 'external': 'external ruleset'}


def title(results: Results) -> str:
  return f'{results.rules.name} {results.rules.version}'


def facts(results: Results) -> list[str]:
  """What was raced, where and when, in short."""
  rules, machine = results.rules, results.machine
  entered = len({trial.key.submission for trial in results.trials})
  found = [
    f'{_count(entered, "submission")}, '
    f'{_count(len(rules.workloads), "workload")}, '
    f'{_count(len(results.trials), "trial")}'
  ]
  if results.ruleset:
    found.insert(0, RULESETS.get(results.ruleset, results.ruleset))
  if 'name' in machine:
    what = machine.get('accelerators') or [machine.get('cpu', '')]
    cores = machine.get('cores', '?')
    found.append(
      f'{machine["name"]}: {", ".join(map(str, what))}, {cores} cores'
    )
  dates = sorted(
    trial.started[:10] for trial in results.trials if trial.started
  )
  if dates:
    both = dates[0] if dates[0] == dates[-1] else f'{dates[0]} to {dates[-1]}'
    found.append(both)
  return found


def summary(board: Board) -> str:
  """The result in a sentence or two."""
  ranked = [s for s in board.standings if s.rank]
  unranked = [s for s in board.standings if s.open_cells]
  winners = [s.submission for s in ranked if s.rank == 1]
  found = []
  if winners and not any(s.reached for s in ranked):
    found.append('No ranked submission reached a target.')
  elif winners:
    verb = 'leads' if len(winners) == 1 else 'lead together'
    found.append(
      f'{_join(winners)} {verb} with a score of {ranked[0].score:.3f}, '
      f'{_reached(ranked[0], board)}.'
    )
  if unranked:
    cells = sum(s.open_cells for s in unranked)
    found.append(
      f'{_count(cells, "cell")} {"is" if cells == 1 else "are"} open for '
      f'{_join([s.submission for s in unranked])}, so '
      f'{"it is" if len(unranked) == 1 else "they are"} not ranked'
      + ("; closing a cell may lower others' scores." if ranked else '.')
    )
  return ' '.join(found)


def cell(found: Cell) -> str:
  """A time, or how far a cell without one got."""
  if found.state == 'reached':
    return numbers.seconds(found.seconds)
  got = ''
  if math.isfinite(found.best):
    got = (
      f', best {numbers.metric(found.best)} in {numbers.seconds(found.used)}'
    )
  hits = f' {found.hits} of {len(found.studies)} studies reached it'
  return f'{found.state}{got}{";" + hits if found.hits else ""}'


def target(board: Board, workload: str) -> str:
  """For example 'loss ≤ 0.1237'."""
  row = board.rules.workloads[workload]
  sign = '≤' if row.better == 'lower' else '≥'
  return f'{row.metric} {sign} {"?" if row.target is None else row.target}'


def markdown(results: Results, board: Board) -> str:
  """The report for places where no HTML goes."""
  names = list(board.rules.workloads)
  lines = [f'# TimeTrial: {title(results)}', '', ' · '.join(facts(results)), '']
  lines += [_plain(summary(board)), '']
  lines += _table(
    ['rank', 'submission', 'score', 'reached', 'open cells'],
    [_line(s, board) for s in board.standings],
  )
  lines += ['', '## Time to target', '']
  lines += _table(
    ['submission', *(f'{n} ({target(board, n)})' for n in names)],
    [[s.submission, *map(_timed, s.cells.values())] for s in board.standings],
  )
  rows = [
    [s.submission, name, reason]
    for s in board.standings
    for name, found in s.cells.items()
    for reason in found.open
  ]
  if rows:
    lines += ['', '## Open cells', '']
    lines += _table(['submission', 'workload', 'reason'], rows)
  if results.problems:
    lines += ['', '## Problems in the results', '']
    lines += _table(['path', 'reason'], results.problems)
  if results.remarks:
    lines += ['', *map(_plain, results.remarks)]
  return '\n'.join(lines) + '\n'


def leaderboard_csv(board: Board) -> str:
  """A line a submission; the rank is empty with open cells."""
  head = ['submission', 'rank', 'score', 'best_case', 'reached', 'workloads']
  rows = [
    [
      s.submission,
      s.rank,
      s.score,
      s.best_case,
      s.reached,
      len(s.cells),
      s.open_cells,
    ]
    for s in board.standings
  ]
  return _csv([*head, 'open_cells'], rows)


def times_csv(board: Board) -> str:
  """Submissions by workloads in seconds: inf for a miss, empty if open."""
  rows = [
    [s.submission, *('' if c.open else c.seconds for c in s.cells.values())]
    for s in board.standings
  ]
  return _csv(['submission', *board.rules.workloads], rows)


def table(results: Results, board: Board) -> dict[str, Any]:
  """Everything for programs; null where there is no number."""
  rules = board.rules
  return {
    'suite': rules.name,
    'version': rules.version,
    'ruleset': results.ruleset,
    'cutoff': rules.cutoff,
    'hardware': results.machine,
    'plan': results.hash,
    'provisional': board.provisional,
    'workloads': {
      name: {
        'metric': row.metric,
        'better': row.better,
        'target': row.target,
        'budget_seconds': results.budgets.get(name),
      }
      for name, row in rules.workloads.items()
    },
    'leaderboard': [_standing(s) for s in board.standings],
    'problems': [problem._asdict() for problem in results.problems],
    'remarks': results.remarks,
  }


def _standing(standing: Standing) -> dict[str, Any]:
  facts = standing._asdict()
  cells = facts.pop('cells')
  return facts | {
    'workloads': {
      name: {
        'state': found.state,
        'seconds': _number(found.seconds),
        'ratio': _number(found.ratio),
        'credit': _number(found.credit),
        'studies': {str(k): _number(v) for k, v in found.studies.items()},
        'best': _number(found.best),
        'best_in_seconds': _number(found.used),
        'open': found.open,
      }
      for name, found in cells.items()
    }
  }


def _number(value: float) -> float | None:
  return value if math.isfinite(value) else None


def _line(standing: Standing, board: Board) -> list[str]:
  so_far = '' if standing.rank else f' so far (≤ {standing.best_case:.4f})'
  return [
    str(standing.rank or '–'),
    standing.submission,
    numbers.score(standing.score) + so_far,
    f'{standing.reached} / {len(board.rules.workloads)}',
    str(standing.open_cells or ''),
  ]


def _timed(found: Cell) -> str:
  if found.state == 'reached':
    return f'{cell(found)} ({numbers.ratio(found.ratio)})'
  return cell(found)


def _table(head, rows) -> list[str]:
  lines = [head, ['---'] * len(head), *rows]
  return ['| ' + ' | '.join(map(_plain, line)) + ' |' for line in lines]


def _plain(value: str) -> str:
  """Text that Markdown takes as text, on one line."""
  found = ' '.join(str(value).split())
  # An underscore between letters is no emphasis.
  return re.sub(r'([\\`*\[\]<>|]|\b_|_\b|(?<!\w)_)', r'\\\1', found)


def _csv(head, rows) -> str:
  file = io.StringIO()
  writer = csv.writer(file, lineterminator='\n')
  writer.writerows([head, *rows])
  return file.getvalue()


def _count(number: int, noun: str) -> str:
  return f'{number} {noun}' + ('' if number == 1 else 's')


def _join(names: list[str]) -> str:
  if len(names) < 2:
    return ''.join(names)
  return f'{", ".join(names[:-1])} and {names[-1]}'


def _reached(standing: Standing, board: Board) -> str:
  count = len(board.rules.workloads)
  return f'reaching {standing.reached} of {_count(count, "target")}'
