"""Ranks on mini against published ranks, and those among each other."""

import itertools
from collections.abc import Iterator

import numpy as np

from scoring.rank import score, times
from tests.benchmarks.validity import texts, ways
from tests.benchmarks.validity.ways import Scored
from tests.support import correlations, published_boards, redrawn
from tests.support.published_boards import Published, Twins

FEWEST = 4  # Algorithms on both boards that a rank correlation needs.


def shared(
  scored: Scored, published: Published, twins: dict[str, list[str]]
) -> Twins:
  """Return the algorithms that are on both boards."""
  closed, algorithms, ours, theirs = set(scored.closed), [], [], []
  for algorithm, values in published.known(scored.measure).items():
    names = [name for name in twins[algorithm] if name in closed]
    if names:
      algorithms.append(algorithm)
      ours.append(names)
      theirs.append(values)
  return Twins(algorithms, ours, theirs)


def against_published(
  races: dict[str, list[Scored]],
  known: list[Published],
  twins: dict[str, list[str]],
) -> Iterator[str]:
  """Yield the table of rank correlations with published scores."""
  yield '\n## Mini and published scores\n'
  yield (
    '| board | measure | targets | published | algorithms | ρ | τ '
    '| pairs in order | by chance | without one | other entries |'
  )
  yield '|---|---|---|---|---|---|---|---|---|---|---|'
  sizes = set()
  for every in races.values():
    for published in known:
      for scored in every:
        pair = shared(scored, published, twins)
        if len(pair.algorithms) < FEWEST:
          continue
        sizes.add(len(pair.algorithms))
        yield f'{scored.head} {published.name} {compared(scored, pair)}'
  yield ''
  for size in sorted(sizes):
    low, high = correlations.unrelated(size)
    yield (
      f'- ρ of unrelated orders of {size}, 5th to 95th percentile: '
      f'{texts.short(low)} to {texts.short(high)}'
    )
  for published in known:
    yield from side_by_side(races, published, twins)


def side_by_side(
  races: dict[str, list[Scored]],
  published: Published,
  twins: dict[str, list[str]],
) -> Iterator[str]:
  """Yield published scores beside scores and ranks on mini."""
  chosen = [
    scored
    for every in races.values()
    for scored in every
    if scored.targets == ways.main_way(every).targets
  ]
  if not any(
    len(shared(scored, published, twins).algorithms) >= FEWEST
    for scored in chosen
  ):
    return
  yield f'\nScores (ranks) by the ladder, and the scores of {published.name}:\n'
  words = [f'{s.race}, {times.MEASURES[s.measure]}' for s in chosen]
  yield f'| submission | {published.name} | {" | ".join(words)} |'
  yield f'|---|---|{"---|" * len(words)}'
  known = published.known('seconds')
  for algorithm in sorted(known, key=lambda name: -known[name][0]):
    for name in twins[algorithm]:
      cells = ['/'.join(map(texts.short, known[algorithm]))]
      cells += [standing(scored, name) for scored in chosen]
      yield f'| {name} | {" | ".join(cells)} |'


def standing(scored: Scored, name: str) -> str:
  """Return a submission's score and rank; – if it has open cells."""
  if name not in scored.closed:
    return '–'
  values = scored.scores
  [column] = scored.columns([name])
  rank = score.ranks(values, scored.board.closed)[column]
  return f'{texts.short(values[column])} ({rank:g})'


def compared(scored: Scored, pair: Twins) -> str:
  """Return the further cells of a row: correlations and their doubts."""
  names, best = pair.first
  columns = scored.columns(names)
  ours = scored.scores[columns]
  drawn = redrawn.again(scored.board)[:, columns]
  agree, unequal = correlations.in_order(ours, best)
  single = [
    correlations.spearman(np.delete(ours, n), np.delete(best, n))
    for n in range(len(best))
  ]
  cells = [
    len(best),
    *(
      f'{texts.short(measure(ours, best))} '
      f'({texts.interval(measure(drawn, best))})'
      for measure in (correlations.spearman, correlations.kendall)
    ),
    f'{agree} of {unequal}',
    texts.short(correlations.chance(ours, best)),
    texts.ends(single),
    texts.ends(choices(scored, pair)),
  ]
  return f'| {" | ".join(map(str, cells))} |'


def choices(scored: Scored, pair: Twins) -> np.ndarray:
  """Return rho for every choice of one entry per algorithm, on both sides."""
  values = scored.scores
  return np.array(
    [
      correlations.spearman(
        values[scored.columns(list(names))], np.array(theirs)
      )
      for names in itertools.product(*pair.ours)
      for theirs in itertools.product(*pair.published)
    ]
  )


def ceiling(known: list[Published]) -> Iterator[str]:
  """Yield how well published boards agree with each other."""
  yield '\n## Published scores among each other\n'
  yield '| compared | entries | ρ | τ | pairs in order |'
  yield '|---|---|---|---|---|'
  for published in known:
    rows = [e for e in published.entries if 'steps' in e]
    if len(rows) >= FEWEST:
      one, other = (
        np.array([e[key] for e in rows]) for key in ('seconds', 'steps')
      )
      yield _row(f'{published.name}: seconds and steps', one, other)
  for one, other in itertools.combinations(known, 2):
    both = [published.known('seconds') for published in (one, other)]
    names = [name for name in both[0] if name in both[1]]
    if len(names) > 1:
      values = [np.array([k[name][0] for name in names]) for k in both]
      yield _row(f'{one.name} and {other.name}: {", ".join(names)}', *values)
  for published in known:
    scores = list(published.known('steps').values())
    found = published_boards.swapped(scores)
    if len(scores) >= FEWEST and found.size:
      yield (
        f'\n{published.name}: two choices of one entry per algorithm, which '
        'differ wherever an algorithm has several: ρ of the '
        f'{len(scores)} algorithms {texts.middle(found)} (median; '
        f'{texts.interval(found)}; {found.size} pairs of choices).'
      )


def _row(name: str, one: np.ndarray, other: np.ndarray) -> str:
  agree, unequal = correlations.in_order(one, other)
  rho, tau = (
    texts.short(float(measure(one, other)))
    for measure in (correlations.spearman, correlations.kendall)
  )
  return f'| {name} | {len(one)} | {rho} | {tau} | {agree} of {unequal} |'
