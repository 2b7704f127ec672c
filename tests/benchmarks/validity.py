"""Compare ranks on mini with published ranks, and with other ranks on mini.

    python -m tests.benchmarks.validity [BOARD ...]

prints tables in Markdown about the committed boards, or about those given:
results folders, or folders with results.tar.xz, of any ruleset, world and
number of studies. `published_scores.toml` has the published scores.

A board is judged by the targets and charges it was raced by. A suite without a
ladder gets mini's. Intervals are 90 %, from 2,000 draws of workloads, with
replacement, and of studies where a board has several. Draws of workloads are
the same for all boards.
"""

import contextlib
import dataclasses
import itertools
import math
import pathlib
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import workloads
from runner.protocol import boards, suite as rules
from runner.protocol.results_folder import ResultsError
from runner.protocol.suite import SuiteError
from scoring.load import results as read
from scoring.load.plan import ReadError
from scoring.load.projection import NONE
from scoring.load.results import Results
from scoring.rank import alternatives, board, bootstrap, score, times
from scoring.rank.board import Board
from tests.benchmarks import ladder
from tests.support import correlations, published_boards, redrawn
from tests.support.published_boards import Published, Twins

FEWEST = 4  # Algorithms on both boards that a rank correlation needs.
WIDTHS = (3, 4, 5, 6, 7, 8, 9, 12, 18)  # Numbers of workloads to draw.
STUDIES = (1, 2, 3, 5)  # Numbers of studies under the model of their noise.


class Scored(NamedTuple):
  """One way to score one race."""

  race: str  # 'self', or with the world or the place where races differ by it.
  measure: str  # One of times.MEASURES.
  targets: str  # 'exact', '20% back' or 'ladder'.
  board: Board

  @property
  def scores(self) -> np.ndarray:
    """Scores [N] in the order of the board's submissions."""
    return self.board.scores(self.board.times.cells)

  @property
  def closed(self) -> list[str]:
    """Submissions without open cells."""
    names = self.board.times.submissions
    return [
      n for n, whole in zip(names, self.board.closed, strict=True) if whole
    ]

  def columns(self, names: list[str]) -> list[int]:
    """Return the places of submissions in arrays of this board."""
    return [self.board.times.submissions.index(name) for name in names]

  @property
  def head(self) -> str:
    """The first cells of a table's row."""
    return f'| {self.race} | {times.MEASURES[self.measure]} | {self.targets} |'


def main(argv: list[str]) -> None:
  """Print all tables."""
  paths = list(map(pathlib.Path, argv)) or [
    ladder.BOARDS / name for name in ('self', 'external')
  ]
  with contextlib.ExitStack() as stack:
    try:
      read_ = [opened(stack, path) for path in paths]
    except (ReadError, ResultsError, SuiteError) as error:
      sys.exit(str(error))
    found = [readings[0] for readings in read_]
    races = {
      name: [scored for one in readings for scored in ways(name, one)]
      for name, readings in zip(labels(paths, found), read_, strict=True)
    }
    for path, every in zip(paths, races.values(), strict=True):
      if not every:
        sys.exit(
          f'{path}: fewer than two submissions have no open cells, so there '
          'are no ranks to compare. Give a board with more finished '
          'submissions; `timetrial score` says which cells are open.'
        )
    for line in report(races, found):
      print(line, flush=True)


def report(
  races: dict[str, list[Scored]], found: list[Results]
) -> Iterator[str]:
  """Yield all lines."""
  facts = published_boards.read()
  known, twins = facts['boards'], facts['twins']
  for (name, every), results in zip(races.items(), found, strict=True):
    suite = results.rules
    studies = every[0].board.times.counted.sum(axis=-1)
    yield (
      f'- {name}: {suite.name} {suite.version}, ruleset {results.ruleset}, '
      f'{len(main_way(every).closed)} submissions without open cells, '
      f'{len(suite.scored)} workloads, studies per cell '
      f'{studies.min()}–{studies.max()}'
    )
  yield from against_published(races, known, twins)
  yield from ceiling(known)
  yield from among_races(races, found)
  yield from among_halves(races, known, twins)
  yield from among_studies(races)
  yield from needed_workloads(races)
  yield from needed_studies(races, found, facts['noise'])
  yield from alone(races, known, twins)


def opened(stack: contextlib.ExitStack, path: pathlib.Path) -> list[Results]:
  """Return the results of a race, judged by the suite of its plan.

  A race with untimed trials has a second reading, by steps: in the first one,
  seconds that are projected, or lacking, decide what is a hit.
  """
  folder = stack.enter_context(boards.opened(path))
  results = read.read(folder)
  found = [results]
  if results.effort == 'seconds' and results.projection != NONE:
    found.append(read.read(folder, effort='steps'))
  return [laddered(one) for one in found]


def laddered(results: Results) -> Results:
  """Return results with mini's ladder if their suite has none.

  Only rows of the same world and metric as mini's get its start. If there are
  others, there is no ladder.
  """
  suite, mini = results.rules, rules.load('mini', workloads.canonical)
  if len(suite.ladder) > 1:
    return results
  rows = {}
  for name, row in suite.workloads.items():
    same = mini.workloads.get(name)
    if same is None or (same.world, same.metric) != (row.world, row.metric):
      return results
    rows[name] = dataclasses.replace(row, start=same.start)
  suite = dataclasses.replace(suite, workloads=rows, ladder=mini.ladder)
  return ladder.judged(results, suite)


def labels(paths: list[pathlib.Path], found: list[Results]) -> list[str]:
  """Return different names: the ruleset, and the world or place if needed."""
  names = [results.ruleset or 'unknown' for results in found]
  spots = [f'world {"+".join(map(str, worlds(results)))}' for results in found]
  for more in (spots, map(str, paths)):
    if len(set(names)) == len(names):
      break
    names = [
      f'{results.ruleset or "unknown"} ({one})'
      for results, one in zip(found, more, strict=True)
    ]
  return names


def worlds(results: Results) -> tuple[int, ...]:
  """Return the worlds of a suite's workloads."""
  return tuple(sorted({row.world for row in results.rules.workloads.values()}))


def ways(name: str, results: Results) -> Iterator[Scored]:
  """Yield one race by targets and by every measure that ranks something."""
  whole = board.make(results)
  untimed = results.projection != NONE
  for targets, one in ladder.ways(results):
    if len(results.rules.ladder) == 1 and targets != 'exact':
      continue
    made = board.make(one)
    for measure in alternatives.measures(results, whole):
      if measure == 'steps' and results.effort != 'steps' and untimed:
        continue  # The reading by steps has it.
      again = made._replace(times=times.collect(one, measure))
      scored = Scored(name, measure, targets, again)
      if len(scored.closed) > 1:
        yield scored


def main_way(every: list[Scored]) -> Scored:
  """Return a race by steps if it has them, and by the ladder if it has one."""
  return max(
    every, key=lambda one: (one.measure == 'steps', one.targets == 'ladder')
  )


# Numbers in print.


def doubt(scores: np.ndarray) -> str:
  """Return two cells: mean width of intervals, and pairs told apart."""
  width, sure = redrawn.apart(scores)
  return f'{short(width)} | {100 * sure:.0f} %'


def interval(values: np.ndarray) -> str:
  """Return the 90 % interval of draws in print; – if all are NaN."""
  known = values[np.isfinite(values)]
  if not known.size:
    return '–'
  low, high = np.quantile(known, redrawn.EDGES)
  return f'{short(low)} to {short(high)}'


def middle(values: np.ndarray) -> str:
  """Return the median in print; – if all are NaN."""
  known = values[np.isfinite(values)]
  return short(float(np.median(known))) if known.size else '–'


def typical(values: np.ndarray) -> str:
  """Return the median and the 90 % interval in print."""
  return f'{middle(values)} ({interval(values)})'


def ends(values) -> str:
  """Return the least and the greatest number in print; – if all are NaN."""
  known = [value for value in values if math.isfinite(value)]
  return f'{short(min(known))} to {short(max(known))}' if known else '–'


def short(value: float) -> str:
  """Return a number with two decimals, such as −.07, or – for NaN."""
  if math.isnan(value):
    return '–'
  text = f'{abs(value):.2f}'
  sign = '−' if value < 0 and float(text) else ''
  return sign + text.removeprefix('0')


# Mini and what is published.


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
      f'{short(low)} to {short(high)}'
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
    if scored.targets == main_way(every).targets
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
      cells = ['/'.join(map(short, known[algorithm]))]
      cells += [standing(scored, name) for scored in chosen]
      yield f'| {name} | {" | ".join(cells)} |'


def standing(scored: Scored, name: str) -> str:
  """Return a submission's score and rank; – if it has open cells."""
  if name not in scored.closed:
    return '–'
  values = scored.scores
  [column] = scored.columns([name])
  rank = score.ranks(values, scored.board.closed)[column]
  return f'{short(values[column])} ({rank:g})'


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
      f'{short(measure(ours, best))} ({interval(measure(drawn, best))})'
      for measure in (correlations.spearman, correlations.kendall)
    ),
    f'{agree} of {unequal}',
    short(correlations.chance(ours, best)),
    ends(single),
    ends(choices(scored, pair)),
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
        f'{len(scores)} algorithms {middle(found)} (median; '
        f'{interval(found)}; {found.size} pairs of choices).'
      )


def _row(name: str, one: np.ndarray, other: np.ndarray) -> str:
  agree, unequal = correlations.in_order(one, other)
  rho, tau = (
    short(float(measure(one, other)))
    for measure in (correlations.spearman, correlations.kendall)
  )
  return f'| {name} | {len(one)} | {rho} | {tau} | {agree} of {unequal} |'


# Mini among itself.


def among_races(
  races: dict[str, list[Scored]], found: list[Results]
) -> Iterator[str]:
  """Yield agreement between rulesets, worlds, or repeated races."""
  yield '\n## Rulesets and worlds\n'
  rows = []
  every = zip(races.values(), found, strict=True)
  for (one, first), (other, second) in itertools.combinations(every, 2):
    if first.ruleset != second.ruleset and worlds(first) != worlds(second):
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
    doubt = f' ({interval(measure(*drawn))})' if drawn else ''
    cells.append(short(float(measure(*pair))) + doubt)
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
      yield f'{head} all {len(scored.closed)} | {typical(found)} |'
      for published in known:
        names, _ = shared(scored, published, twins).first
        if len(names) >= FEWEST:
          some = ladder.splits(scored.board, scored.columns(names))
          words = f'{len(names)} of {published.name}'
          yield f'{head} {words} | {typical(some)} |'


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
        f'{scored.head} {len(found)} | {short(float(np.mean(found)))} | '
        f'{ends(found)} |'
      )


# What a rank needs.


def needed_workloads(races: dict[str, list[Scored]]) -> Iterator[str]:
  """Yield intervals and pairs told apart by the number of workloads."""
  yield '\n## Number of workloads\n'
  yield (
    '| board | measure | targets | workloads | width of a 90 % interval '
    '| pairs told apart |'
  )
  yield '|---|---|---|---|---|---|'
  for every in races.values():
    scored = main_way(every)
    for width in WIDTHS:
      found = redrawn.again(scored.board, width)[:, scored.board.closed]
      yield f'{scored.head} {width} | {doubt(found)} |'


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
    scored = main_way(every)
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
      doubts = f'{doubt(fixed)} | {doubt(both)}'
      yield f'{scored.head} {source} | {count} | {doubts} |'


# Single workloads.


def alone(
  races: dict[str, list[Scored]],
  known: list[Published],
  twins: dict[str, list[str]],
) -> Iterator[str]:
  """Yield, for each workload, how well it agrees with others."""
  for name, every in races.items():
    scored = main_way(every)
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
    yield f'| {name} | {" | ".join(short(float(cell)) for cell in cells)} |'


def credit(found: Board) -> np.ndarray:
  """Return the credit [N, B] of every cell, the mean over rungs."""
  ratios = score.ratios(found.qualified(found.times.cells))
  gained = score.credit(ratios, found.rules.cutoff, found.integral)
  return np.nan_to_num(gained).mean(axis=0)


if __name__ == '__main__':
  main(sys.argv[1:])
