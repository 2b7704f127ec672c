"""The verdict on an entry beside a board, as one paragraph."""

from typing import Any

from scoring.load.results import Results
from scoring.rank import bands, bootstrap, versus
from scoring.rank.board import Board, Standing
from scoring.rank.versus import Versus
from scoring.report import formats, sentences

FEW = 4  # So many workloads are named.
CLOSE = 0.02  # Multiples nearer to 1 than this are not called slower.


def text(results: Results, board: Board, name: str, reference: str) -> str:
  """Return a paragraph on one entry against a reference.

  Args:
    results: The entry's results beside the board's.
    board: The scored results.
    name: Name of the entry.
    reference: Name of the entry to compare with.
  """
  found = versus.compare(board, name, reference, results.budgets)
  at = {s.submission: s for s in board.standings}
  parts = [_reached(at[name], at[reference], board)]
  if found is not None:
    parts.append(_factor(found, board, reference))
    parts += _cells(found, reference)
  parts.append(_rank(at[name], board))
  if board.effort == 'steps':
    parts.append('These are steps, not seconds.')
  return f'{name}: {" ".join(parts)}'


def table(
  results: Results, board: Board, name: str, reference: str
) -> dict[str, Any]:
  """Return the numbers of the paragraph, fit for JSON.

  Args:
    results: The entry's results beside the board's.
    board: The scored results.
    name: Name of the entry.
    reference: Name of the entry to compare with.
  """
  found = versus.compare(board, name, reference, results.budgets)
  [standing] = [s for s in board.standings if s.submission == name]
  spread = _spread(board)
  return {
    'submission': name,
    'reference': reference,
    'effort': board.effort,
    'score': standing.score,
    'rank': standing.rank,
    'ranks': bootstrap.rank_interval(board, spread, name),
    'band': bands.bands(board, spread).get(name),
    'entries': len(board.standings),
    'versus': None if found is None else found._asdict(),
  }


def _reached(mine: Standing, other: Standing, board: Board) -> str:
  names = list(board.rules.scored)
  which = f' ({sentences.join(names)})' if len(names) <= FEW else ''
  return (
    f'it reaches {mine.reached} of {len(names)} targets{which}, and '
    f'{other.submission} {other.reached}.'
  )


def _factor(found: Versus, board: Board, reference: str) -> str:
  what = 'steps' if board.effort == 'steps' else 'seconds'
  drawn = sentences.DRAWN[found.unit]
  if found.high < 1:
    so = 'so it is faster'
  elif found.low > 1:
    so = 'so it is slower'
  else:
    so = 'so this does not tell which one is faster'
  return (
    f'It needs {found.factor:.2f} times the {what} of {reference} '
    f'({formats.share(versus.LEVEL)} interval {found.low:.2f} to '
    f'{found.high:.2f}, by drawing {drawn} again), {so}.'
  )


def _cells(found: Versus, reference: str) -> list[str]:
  parts = []
  shown = set(found.missed) | set(found.gained)
  slower = [
    f'{name} ({value:.2f} times)'
    for name, value in sorted(found.cells.items(), key=lambda x: -x[1])
    if value > 1 + CLOSE and name not in shown
  ]
  if slower:
    parts.append(f'It is slower on {sentences.join(slower)}.')
  if found.missed:
    names = sentences.join(found.missed)
    parts.append(f'It misses {names}, where {reference} reaches the target.')
  if found.gained:
    names = sentences.join(found.gained)
    parts.append(f'It alone reaches the target of {names}.')
  return parts


def _rank(mine: Standing, board: Board) -> str:
  if mine.rank is None:
    return f'It has {mine.open_cells} open cells, so it has no rank.'
  band = bands.bands(board, _spread(board)).get(mine.submission)
  among = f'among {len(board.standings)} entries'
  if band is None or band.first == band.last:
    return f'Its score is {mine.score:.3f}: rank {mine.rank} {among}.'
  return (
    f'Its score is {mine.score:.3f}: rank {mine.rank} {among}, not to be told '
    f'apart from ranks {band}.'
  )


def _spread(board: Board):
  several = board.times.counted.sum(axis=-1).max() > 1
  return bootstrap.bootstrap(board, 'both' if several else 'workloads')
