"""Triples of workloads that tell most about the other ones, for `tune`.

    timetrial set-targets --suite=mini --points=12 --seeds=5 --out=mini
    timetrial set-targets --suite=mini_tuning --points=12 --seeds=5 --out=tuning
    python -m tests.benchmarks.rungs mini=mini mini_tuning=tuning

The search of set-targets races the same points on all workloads. Here, each
point has its cost (as in `runner/tools/tuning/candidates.py`) on each of them.
A triple of workloads tells much if, among the better half of the points of an
algorithm, mean costs on it agree with mean costs on the rest (means and
correlations of logarithms).
"""

import itertools
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from runner.protocol import layout
from runner.protocol.suites import suite as rules
from runner.tools.tuning import candidates

SHOWN = 5  # Triples from each end.


def main(words: Sequence[str]) -> None:
  """Print the triples that agree best and worst with the rest.

  Args:
    words: SUITE=FOLDER for each search.
  """
  groups: list[np.ndarray] = []
  names: list[str] = []
  for word in words:
    suite, _, folder = word.partition('=')
    loaded = rules.load(suite)
    names = list(loaded.workloads)
    groups += costs(loaded, pathlib.Path(folder, 'search'))
  points = sum(map(len, groups))
  print(f'{len(groups)} searches, {points} points. Agreement with the rest:\n')
  told = sorted(
    ((agreement(groups, some), some) for some in triples(len(names))),
    reverse=True,
  )
  for value, some in (*told[:SHOWN], *told[-SHOWN:]):
    print(f'| {", ".join(names[n] for n in some)} | {value:.2f} |')


def triples(count: int) -> list[tuple[int, ...]]:
  """Return all triples of a number of workloads."""
  return list(itertools.combinations(range(count), 3))


def costs(suite: rules.Suite, folder: pathlib.Path) -> list[np.ndarray]:
  """Return logarithms of costs [points, workloads] for each algorithm.

  Args:
    suite: The suite, with targets.
    folder: Results of the search.
  """
  found = []
  for home in sorted(folder.glob('[!.]*/')):
    numbers = {int(p.name[6:]) for p in home.glob('study_0/*/trial_*')}
    table = [
      [_cost(suite, folder, home.name, name, n) for name in suite.workloads]
      for n in sorted(numbers)
    ]
    found.append(np.log(np.array(table)))
  return found


def _cost(
  suite: rules.Suite,
  folder: pathlib.Path,
  submission: str,
  workload: str,
  number: int,
) -> float:
  spec = suite.workloads[workload]
  place = layout.folder(folder, submission, workload, 0, number)
  return candidates.ladder_cost(suite, spec, candidates.curve(place, spec))


def agreement(groups: Sequence[np.ndarray], some: Sequence[int]) -> float:
  """Return the mean correlation of some workloads with the rest.

  Args:
    groups: Logarithms of costs [points, workloads] for each search.
    some: Places of the workloads.
  """
  found = []
  for table in groups:
    better = table[np.argsort(table.mean(1))[: len(table) // 2]]
    rest = np.delete(better, list(some), axis=1).mean(1)
    mine = better[:, list(some)].mean(1)
    found.append(np.corrcoef(mine, rest)[0, 1])
  return float(np.mean(found))


if __name__ == '__main__':
  main(sys.argv[1:])
