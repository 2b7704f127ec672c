"""Compare ranks by a ladder of targets with ranks by the exact target alone.

    python -m tests.benchmarks.ladder [FOLDER RULES RULESET]

scores the committed boards with the ladder of suite `mini` and without, from
the same trials, so at equal hours. Workloads are drawn again, because these
boards have one study. With arguments, the published logs in FOLDER are scored
by the rules of their board (algoperf_v05, self): they have several studies.
There training begins at the median of each workload's first evaluations, which
come right after the first step.

Bands of ranks alone would flatter a rule that lets many submissions share a
rank. So the table has two more columns: pairs that are told apart (one scores
higher in 95 % of the draws), and the mean rank correlation (Spearman 1904)
between boards of two halves of the workloads, over all splits.
"""

import dataclasses
import itertools
import pathlib
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence

import numpy as np

import workloads
from runner.protocol.suites import metrics, suite as rules
from runner.protocol.suites.suite import Suite
from scoring.load import results as read
from scoring.load.evals import first_hit
from scoring.load.results import Results
from scoring.rank import alternatives, board, bootstrap, times
from scoring.rank.board import Board
from tests.support import correlations

BOARDS = pathlib.Path(__file__).parents[2] / 'docs' / 'leaderboard'
DRAWS = 2000
MOVED = 12  # Submissions to list.
HEAD = (
  '| board | measure | targets | band, median (mean) | pairs told apart | '
  'halves agree |\n|---|---|---|---|---|---|'
)


def main(argv: list[str]) -> None:
  """Print the tables."""
  if argv:
    folder, suite, ruleset = argv
    found = {suite: (published(pathlib.Path(folder), suite, ruleset))}
    units = ('studies', 'workloads')
  else:
    found = {name: committed(name) for name in ('self', 'external')}
    units = ('workloads',)
  for unit in units:
    print(f'\nResampled: {unit}, {DRAWS} draws.\n\n{HEAD}')
    for name, results in found.items():
      for line in compared(name, results, unit):
        print(line, flush=True)
  for name, results in found.items():
    print(
      f'\n{name}: submissions that reach each target (evaluation, median)\n'
    )
    shares = [f'{share:.3g}' for share in results.rules.ladder]
    print(f'| workload | start | {" | ".join(shares)} |')
    print(f'|---|---|{"---|" * len(shares)}')
    print('\n'.join(reached(results)))
  for name, results in found.items():
    print(f'\n{name}: rank and band by charged seconds, {units[0]} drawn\n')
    print('| submission | exact target | ladder | targets reached |')
    print('|---|---|---|---|')
    print('\n'.join(moved(results, units[0])))


def committed(name: str) -> Results:
  """Return the raw results of a committed board, with mini's ladder.

  Targets and charges are those of the race: mini's may have changed since.
  """
  folder = pathlib.Path(tempfile.mkdtemp())
  with tarfile.open(BOARDS / name / 'results.tar.xz') as archive:
    archive.extractall(folder, filter='data')
  return laddered(read.read(folder))


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
  return judged(results, suite)


def published(folder: pathlib.Path, name: str, ruleset: str) -> Results:
  """Return published results, with mini's ladder over their own starts."""
  results = read.read(folder, name, ruleset)
  rows = {}
  for workload, row in results.rules.workloads.items():
    first = [
      float(trial.evals.values[0])
      for trial in results.trials
      if trial.key.workload == workload and trial.evals
    ]
    start = metrics.beginning(row.metric, float(np.nanmedian(first)))
    rows[workload] = dataclasses.replace(row, start=start)
    print(f'{workload}: {row.target} from {rows[workload].start:.5g}')
  suite = dataclasses.replace(results.rules, workloads=rows)
  ladder = rules.load('mini', workloads.canonical).ladder
  return judged(results, dataclasses.replace(suite, ladder=ladder))


def judged(results: Results, suite: Suite) -> Results:
  """Return the same trials, judged by another ladder."""
  trials = [
    trial
    if trial.open
    else trial._replace(
      hits=tuple(
        first_hit(trial.evals, rung, trial.budget)
        for rung in suite.rungs(trial.key.workload)
      )
    )
    for trial in results.trials
  ]
  return dataclasses.replace(results, rules=suite, trials=trials)


def reached(results: Results) -> Iterator[str]:
  """Yield, by workload, who reaches each rung, and at which evaluation."""
  for name, row in results.rules.workloads.items():
    trials = [t for t in results.trials if t.key.workload == name and t.hits]
    cells = []
    for rung, spec in enumerate(results.rules.rungs(name)):
      hits = [t for t in trials if t.hits[rung] is not None]
      who = len({trial.key.submission for trial in hits})
      at = np.median([trial.hits[rung] + 1 for trial in hits]) if hits else 0
      cells.append(f'{spec.target:.4g}: {who} ({at:g})')
    yield f'| {name} | {row.start:.4g} | {" | ".join(cells)} |'


def ways(results: Results) -> Iterator[tuple[str, Results]]:
  """Yield (name, results) by the exact target, the easiest, and all."""
  suite = results.rules
  easiest = {name: suite.rungs(name)[-1] for name in suite.workloads}
  for name, rows, ladder in (
    ('exact', suite.workloads, (0.0,)),
    (f'{suite.ladder[-1]:.0%} back', easiest, (0.0,)),
    ('ladder', suite.workloads, suite.ladder),
  ):
    other = dataclasses.replace(suite, workloads=rows, ladder=ladder)
    yield name, judged(results, other)


def compared(name: str, results: Results, unit: str) -> Iterator[str]:
  """Yield lines of the table, for every measure and way to score."""
  scored = {way: (one, board.make(one)) for way, one in ways(results)}
  for what in alternatives.measures(results, board.make(results)):
    for way, (one, found) in scored.items():
      here = found._replace(times=times.collect(one, what))
      spread = bootstrap.bootstrap(here, unit, DRAWS)
      width = widths(here, spread)
      yield (
        f'| {name} | {times.MEASURES[what]} | {way} | '
        f'{np.median(width):g} ({width.mean():.2f}) | '
        f'{apart(here, spread):.1%} | {halves(here):.2f} |'
      )


def widths(found: Board, spread: bootstrap.Spread) -> np.ndarray:
  """Return the number of ranks in the band of every closed submission."""
  return (spread.rank_high - spread.rank_low + 1)[found.closed]


def apart(found: Board, spread: bootstrap.Spread) -> float:
  """Return the share of pairs of which one is surely ahead."""
  faster = spread.faster[found.closed][:, found.closed]
  pairs = np.triu_indices(len(faster), 1)
  sure = (faster >= bootstrap.SURE) | (faster.T >= bootstrap.SURE)
  return float(sure[pairs].mean())


def halves(found: Board) -> float:
  """Return the mean Spearman correlation between halves of the workloads."""
  return float(np.nanmean(splits(found)))


def splits(found: Board, chosen: Sequence[int] | None = None) -> np.ndarray:
  """Return Spearman's rho between the boards of every two halves.

  Args:
    found: The board.
    chosen: Places of the submissions to compare; None: all without open cells.
  """
  qualified = found.qualified(found.times.cells)
  places = np.flatnonzero(found.closed) if chosen is None else list(chosen)
  width = qualified.shape[-1]
  known = []
  for some in itertools.combinations(range(width), width // 2):
    rest = [n for n in range(width) if n not in some]
    both = (found.mean(qualified[..., list(part)]) for part in (some, rest))
    known.append(correlations.spearman(*(one[places] for one in both)))
  return np.array(known)


def moved(results: Results, unit: str) -> list[str]:
  """Return lines about the submissions whose ranks moved most."""
  known = {way: board.make(one) for way, one in ways(results)}
  shown = {}
  for way in ('exact', 'ladder'):
    found = known[way]
    spread = bootstrap.bootstrap(found, unit, DRAWS)
    for standing in found.standings:
      ends = bootstrap.rank_interval(found, spread, standing.submission)
      shown[way, standing.submission] = (standing, ends)
  lines = []
  for standing in known['ladder'].standings:
    name = standing.submission
    before, after = shown['exact', name], shown['ladder', name]
    if before[0].rank is None or after[0].rank is None:
      continue
    words = [
      f'{one.rank} ({ends[0]}–{ends[1]}), {one.score:.3f}'
      for one, ends in (before, after)
    ]
    count = len(results.rules.scored)
    lines.append(
      (
        -abs(before[0].rank - after[0].rank),
        f'| {name} | {words[0]} | {words[1]} | {standing.reached} of {count} '
        f'exact, {standing.rungs} of {count * len(results.rules.ladder)} |',
      )
    )
  return [line for _, line in sorted(lines)[:MOVED]]


if __name__ == '__main__':
  main(sys.argv[1:])
