"""Agreement of rulesets and worlds, of halves of the suite, and of studies."""

import itertools
from collections.abc import Iterator

import numpy as np

from scoring.load.results import Results
from scoring.rank import times
from tests.benchmarks import ladder
from tests.benchmarks.validity import texts, ways
from tests.benchmarks.validity.published import FEWEST, shared
from tests.benchmarks.validity.ways import Scored
from tests.support import correlations, redrawn
from tests.support.published_boards import Published


def among_races(
  races: dict[str, list[Scored]], found: list[Results]
) -> Iterator[str]:
  """Yield agreement between rulesets, worlds, or repeated races."""
  yield '\n## Rulesets and worlds\n'
  rows = []
  every = zip(races.values(), found, strict=True)
  for (one, first), (other, second) in itertools.combinations(every, 2):
    if first.ruleset != second.ruleset and ways.worlds(first) != ways.worlds(
      second
    ):
      continue
    theirs = {(s.measure, s.targets): s for s in other}
    for mine in one:
      if match := theirs.get((mine.measure, mine.targets)):
        rows.append(_agreement(mine, match))
  if not rows:
    yield 'There are no two races to compare.'
    return
  yield '| boards | measure | targets | submissions | ρ | τ |'
  yield '|---|---|---|---|---|---|'
  yield from rows


def _agreement(one: Scored, other: Scored) -> str:
  names = [name for name in one.closed if name in set(other.closed)]
  pair = [s.scores[s.columns(names)] for s in (one, other)]
  drawn = None
  if one.board.rules.scored == other.board.rules.scored:
    drawn = [redrawn.again(s.board)[:, s.columns(names)] for s in (one, other)]
  cells = []
  for measure in (correlations.spearman, correlations.kendall):
    doubt = f' ({texts.interval(measure(*drawn))})' if drawn else ''
    cells.append(texts.short(float(measure(*pair))) + doubt)
  return (
    f'| {one.race} and {other.race} | {times.MEASURES[one.measure]} | '
    f'{one.targets} | {len(names)} | {" | ".join(cells)} |'
  )


def among_halves(
  races: dict[str, list[Scored]],
  known: list[Published],
  twins: dict[str, list[str]],
) -> Iterator[str]:
  """Yield agreement between halves of the suite, over all splits.

  A few good algorithms are harder to order than many of all kinds. So there are
  also rows for the algorithms of published boards alone.
  """
  yield '\n## Halves of the suite\n'
  yield (
    '| board | measure | targets | splits | submissions '
    '| ρ, median (90 % of the splits) |'
  )
  yield '|---|---|---|---|---|---|'
  for every in races.values():
    for scored in every:
      if len(scored.board.rules.scored) < 2:
        continue
      found = ladder.splits(scored.board)
      head = f'{scored.head} {len(found)} |'
      yield f'{head} all {len(scored.closed)} | {texts.typical(found)} |'
      for published in known:
        names, _ = shared(scored, published, twins).first
        if len(names) >= FEWEST:
          some = ladder.splits(scored.board, scored.columns(names))
          words = f'{len(names)} of {published.name}'
          yield f'{head} {words} | {texts.typical(some)} |'


def among_studies(races: dict[str, list[Scored]]) -> Iterator[str]:
  """Yield agreement between boards of single studies."""
  yield '\n## Studies\n'
  for name, every in races.items():
    single = redrawn.by_study(every[0].board)
    if len(single) < 2:
      yield f'{name}: one study in every cell, so nothing to compare.'
      continue
    yield f'\n{name}: boards of single studies, all pairs\n'
    yield '| board | measure | targets | pairs | ρ, mean | least to most |'
    yield '|---|---|---|---|---|---|'
    for scored in every:
      closed = scored.board.closed
      tables = [one[closed] for one in redrawn.by_study(scored.board)]
      found = [
        float(correlations.spearman(*pair))
        for pair in itertools.combinations(tables, 2)
      ]
      yield (
        f'{scored.head} {len(found)} | {texts.short(float(np.mean(found)))} | '
        f'{texts.ends(found)} |'
      )
