"""Compare projected seconds with seconds that were timed.

python -m tests.benchmarks.projection TIMED UNTIMED

TIMED and UNTIMED are results folders of the same submissions, workloads and
seeds: one raced alone on a quiet machine, the other with `--untimed --jobs=N`
under any load, and then `timetrial time`d on that quiet machine:

  timetrial run --submissions=... --workloads=... --studies=1 --out=TIMED
  timetrial run --submissions=... --workloads=... --studies=1 --out=UNTIMED \
    --untimed --jobs=2
  timetrial time --out=UNTIMED
"""

import argparse
import math
import pathlib

import numpy as np

from scoring.load import results as read
from scoring.load.results import Results
from scoring.load.trial import Trial
from scoring.rank import board

COMMON = 3  # Evaluations that a comparison of curves needs.


def main() -> None:
  """Print how projected and timed seconds, steps and boards compare."""
  parser = argparse.ArgumentParser()
  parser.add_argument('timed', type=pathlib.Path)
  parser.add_argument('untimed', type=pathlib.Path)
  parser.add_argument('--suite', help='Suite to score both by.')
  flags = parser.parse_args()
  timed = read.read(flags.timed, flags.suite, mixed=True)
  untimed = read.read(flags.untimed, flags.suite, effort='seconds', mixed=True)
  print(f'{untimed.projection.projected} trials are projected to')
  print(f'{untimed.projection.machine}, {untimed.projection.lacking} are not.')
  pairs = matched(timed, untimed)
  ratios = {str(a.key): found for a, b in pairs if (found := ratio(a, b))}
  _show('projected over timed seconds at equal steps', ratios)
  steps = {
    str(a.key): b.measured('steps') / a.measured('steps')
    for a, b in pairs
    if a.at is not None and b.at is not None
  }
  _show('steps to the target, untimed over timed', steps)
  hits = sum((a.at is None) == (b.at is None) for a, b in pairs)
  print(f'{hits} of {len(pairs)} trials agree whether the target is reached.')
  _boards(timed, untimed, {a.key.submission for a, _ in pairs})


def matched(timed: Results, untimed: Results) -> list[tuple[Trial, Trial]]:
  """Return the trials that both have with seconds, by their keys."""
  known = {trial.key: trial for trial in untimed.trials if trial.projected}
  return [
    (trial, known[trial.key])
    for trial in timed.trials
    if trial.key in known and trial.evals and not trial.open
  ]


def ratio(timed: Trial, untimed: Trial) -> float | None:
  """Return the median ratio of seconds, projected over timed.

  The projected curve is read off at the steps of the timed evaluations.
  """
  steps, seconds = untimed.evals.steps, untimed.evals.seconds
  inside = timed.evals.steps <= (steps[-1] if steps.size else 0)
  at = timed.evals.steps[inside]
  if at.size < COMMON:
    return None
  found = np.interp(at, steps, seconds) / timed.evals.seconds[inside]
  return float(np.median(found[1:]))  # The first one holds tracing alone.


def _show(what: str, found: dict[str, float]) -> None:
  if not found:
    print(f'{what}: nothing to compare.')
    return
  low, middle, high = np.quantile(list(found.values()), [0.25, 0.5, 0.75])
  worst = max(found, key=lambda name: abs(math.log(found[name])))
  print(
    f'{what}: median {middle:.3f} (quartiles {low:.3f}, {high:.3f}), '
    f'{len(found)} trials; farthest from 1: {worst}, {found[worst]:.3f}'
  )


def _boards(timed: Results, untimed: Results, names: set[str]) -> None:
  """Print scores of both boards side by side."""
  scores = []
  for results in (timed, untimed):
    results.trials[:] = [t for t in results.trials if t.key.submission in names]
    made = board.make(results)
    scores.append({s.submission: s for s in made.standings})
  for name, standing in scores[0].items():
    other = scores[1][name]
    print(
      f'| {name} | {standing.score:.3f} | {other.score:.3f} | '
      f'{standing.rank} | {other.rank} |'
    )


if __name__ == '__main__':
  main()
