"""Compare the steps of the same trials on two machines.

python -m tests.benchmarks.same_steps RESULTS [BOARD]

RESULTS is a results folder; BOARD is a folder of a board or another results
folder, default docs/leaderboard/self. Trials of the same submission, workload
and study have the same seed. If numbers behave alike on the two machines,
they are the same race, whatever the seconds are.
"""

import argparse
import dataclasses
import pathlib

import numpy as np
from scipy import stats

from runner.protocol import boards
from scoring.load import results as read
from scoring.load.results import Results
from scoring.load.trial import Trial
from scoring.rank import board
from tests.support.races import ROOT

BOARD = ROOT / 'docs' / 'leaderboard' / 'self'
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
COMMON = 3  # Evaluations that a comparison of curves needs.


def main() -> None:
  """Print how far steps, curves and scores of two folders agree."""
  parser = argparse.ArgumentParser()
  parser.add_argument('results', type=pathlib.Path)
  parser.add_argument('board', type=pathlib.Path, nargs='?', default=BOARD)
  flags = parser.parse_args()
  with boards.opened(flags.board) as folder:
    one, other = (
      read.read(place, effort='steps', mixed=True)
      for place in (flags.results, folder)
    )
  known = {trial.key: trial for trial in other.trials}
  pairs = [
    (trial, known[trial.key])
    for trial in one.trials
    if trial.key in known and trial.evals and known[trial.key].evals
  ]
  alike = sum((a.at is None) == (b.at is None) for a, b in pairs)
  print(f'{alike} of {len(pairs)} trials agree whether they reach the target.')
  hits = [
    a.measured('steps') / b.measured('steps')
    for a, b in pairs
    if a.at is not None and b.at is not None
  ]
  print(f'Steps to the target, ratio of {len(hits)}: {shown(hits)}')
  found = [x for pair in pairs if (x := apart(*pair, one)) is not None]
  print(f'Curves apart, share of the way to the target: {shown(found)}')
  names = sorted({a.key.submission for a, _ in pairs})
  scores = [_scores(results, one.rules.workloads) for results in (one, other)]
  rho, _ = stats.spearmanr(*([table[n] for n in names] for table in scores))
  print(f'Scores by steps of {len(names)} entries: Spearman {rho:.2f}')


def apart(a: Trial, b: Trial, results: Results) -> float | None:
  """Return the median difference of two curves at the steps of the first.

  Args:
    a: A trial.
    b: The same trial elsewhere.
    results: The results of the first, with its target.

  Returns:
    Share of the way from the first value to the target; None: too few steps.
  """
  target = results.rules.workloads[a.key.workload].target
  low = max(a.evals.steps[0], b.evals.steps[0])
  high = min(a.evals.steps[-1], b.evals.steps[-1])
  inside = (a.evals.steps >= low) & (a.evals.steps <= high)
  if target is None or inside.sum() < COMMON:
    return None
  other = np.interp(a.evals.steps[inside], b.evals.steps, b.evals.values)
  way = abs(a.evals.values[0] - target)
  return float(np.median(np.abs(a.evals.values[inside] - other)) / way)


def shown(values: list[float]) -> str:
  """Return quantiles of some values as text."""
  found = np.quantile(values, SHARES)
  return ', '.join(
    f'{share:.0%} {value:.3f}'
    for share, value in zip(SHARES, found, strict=True)
  )


def _scores(results: Results, rows: dict) -> dict[str, float]:
  rules = dataclasses.replace(results.rules, workloads=rows, unscored={})
  trials = [t for t in results.trials if t.key.workload in rows]
  part = dataclasses.replace(results, rules=rules, trials=trials)
  return {s.submission: s.score for s in board.make(part).standings}


if __name__ == '__main__':
  main()
