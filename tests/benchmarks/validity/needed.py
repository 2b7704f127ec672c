"""Numbers of workloads and studies that a rank needs; each workload alone."""

from collections.abc import Iterator

import numpy as np

from scoring.load.results import Results
from scoring.rank import bootstrap, score, times
from scoring.rank.board import Board
from tests.benchmarks.validity import texts, ways
from tests.benchmarks.validity.published import FEWEST, shared
from tests.benchmarks.validity.ways import Scored
from tests.support import correlations, redrawn
from tests.support.published_boards import Published

WIDTHS = (3, 4, 5, 6, 7, 8, 9, 12, 18)  # Numbers of workloads to draw.
STUDIES = (1, 2, 3, 5)  # Numbers of studies under the model of their noise.


def needed_workloads(races: dict[str, list[Scored]]) -> Iterator[str]:
  """Yield intervals and pairs told apart by the number of workloads."""
  yield '\n## Number of workloads\n'
  yield (
    '| board | measure | targets | workloads | width of a 90 % interval '
    '| pairs told apart |'
  )
  yield '|---|---|---|---|---|---|'
  for every in races.values():
    scored = ways.main_way(every)
    for width in WIDTHS:
      found = redrawn.again(scored.board, width)[:, scored.board.closed]
      yield f'{scored.head} {width} | {texts.doubt(found)} |'


def needed_studies(
  races: dict[str, list[Scored]],
  found: list[Results],
  noise: dict[str, list[float]],
) -> Iterator[str]:
  """Yield intervals and pairs told apart by the number of studies."""
  yield '\n## Number of studies\n'
  yield (
    '| board | measure | targets | noise | studies | width, these workloads '
    '| pairs told apart | width, workloads drawn | pairs told apart |'
  )
  yield '|---|---|---|---|---|---|---|---|---|'
  for every, results in zip(races.values(), found, strict=True):
    scored = ways.main_way(every)
    studies = redrawn.whole_studies(scored.board)
    size = studies.shape[-1]
    model = noise.get(results.ruleset, noise['self'])
    for count in STUDIES if size < 2 else range(1, size + 1):
      if size < 2:
        source = 'model'
        cells = redrawn.noisy(scored.board.times.cells, model, count)
      else:
        source, cells = 'these studies', redrawn.drawn_studies(studies, count)
      closed = scored.board.closed
      fixed = scored.board.scores(cells)[:, closed]
      both = redrawn.again(scored.board, cells=cells)[:, closed]
      doubts = f'{texts.doubt(fixed)} | {texts.doubt(both)}'
      yield f'{scored.head} {source} | {count} | {doubts} |'


def alone(
  races: dict[str, list[Scored]],
  known: list[Published],
  twins: dict[str, list[str]],
) -> Iterator[str]:
  """Yield, for each workload, how well it agrees with others."""
  for name, every in races.items():
    scored = ways.main_way(every)
    pairs = {
      published.name: pair
      for published in known
      if len((pair := shared(scored, published, twins)).algorithms) >= FEWEST
    }
    yield (
      f'\n## Single workloads, {name}, {times.MEASURES[scored.measure]}, '
      f'{scored.targets}\n'
    )
    more = [f'ρ with {n} | without this workload' for n in pairs]
    yield f'| {" | ".join(["workload", "ρ with the others", *more])} |'
    yield '|---|---|' + '---|---|' * len(pairs)
    yield from alone_rows(scored, pairs.values())


def alone_rows(scored: Scored, pairs) -> Iterator[str]:
  """Yield a row for each workload.

  Args:
    scored: The board.
    pairs: Twins with each published board.
  """
  found = scored.board
  credits_ = credit(found)
  rest = bootstrap.without(found)
  for column, name in enumerate(found.rules.scored):
    mine = credits_[:, column]
    others = np.array([rest[name][n] for n in found.times.submissions])
    cells = [correlations.spearman(mine[found.closed], others[found.closed])]
    for pair in pairs:
      names, best = pair.first
      columns = scored.columns(names)
      cells += [
        correlations.spearman(values[columns], best)
        for values in (mine, others)
      ]
    shown = ' | '.join(texts.short(float(cell)) for cell in cells)
    yield f'| {name} | {shown} |'


def credit(found: Board) -> np.ndarray:
  """Return the credit [N, B] of every cell, the mean over rungs."""
  ratios = score.ratios(found.qualified(found.times.cells))
  gained = score.credit(ratios, found.rules.cutoff, found.integral)
  return np.nan_to_num(gained).mean(axis=0)
