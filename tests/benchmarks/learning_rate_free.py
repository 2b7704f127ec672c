"""Learning-rate-free methods beside NAdamW, with their defaults and without.

python -m tests.benchmarks.learning_rate_free [folder] [workload ...]

What Kasimbeg et al. 2025, arXiv:2505.24005, compare, on the mini suite: a point
tuned there (SELF) and the literature's one (@default) for each method. Raced by
steps, so the machine's speed does not matter, and stopped at the target. For
each workload the share of the budget that the target took, if it was reached;
over all of them the geometric mean of the costs by which `runner tune` chooses
points: that share, or 2 to 4 for a miss. One seed: small differences are noise.
What the folder has already is not run again. About three quarters of an hour on
one core.
"""

import dataclasses
import pathlib
import statistics
import sys
import tempfile

import submissions
from runner import planning
from runner.executors import race
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.protocol import layout, storage, suite as rules
from runner.tools import tune

METHODS = (
  'dadapt_adamw', 'prodigy', 'dog', 'dowg', 'mechanic', 'momo', 'momo_adam',
  'cocob',
)  # fmt: skip


def main(folder, names):
  suite = rules.load('mini')
  names = names or list(suite.workloads)
  one = rules.Ruleset(studies=1, trials=1, budget_factor=1.0)
  suite = dataclasses.replace(
    suite,
    workloads={name: suite.workloads[name] for name in names},
    rulesets={'self': one},
    unscored={},
  )
  entries = ['nadamw']
  for method in METHODS:
    points = submissions.find(method).points
    entries += [method, *(f'{method}@{point}' for point in points)]
  made = planning.make(suite, 'self', entries, hardware.describe(), {})
  made = dataclasses.replace(
    made, budgets=dict.fromkeys(names, planning.FOR_EVER)
  )
  race.run(folder, made, TrialOptions(), limits=race.by_steps)
  print('| submission | ' + ' | '.join(names) + ' | reached | mean cost |')
  print('|---' * (len(names) + 3) + '|')
  for entry in entries:
    found = [cost(folder, entry, row) for row in suite.workloads.values()]
    cells = ' | '.join(f'{x:.2f}' if x <= 1 else '' for x in found)
    reached = sum(x <= 1 for x in found)
    mean = statistics.geometric_mean(found)
    print(f'| {entry} | {cells} | {reached} | {mean:.2f} |')


def cost(folder, entry, row):
  path = layout.folder(folder, entry, row.workload, 0, 1)
  rows = storage.read_rows(path / layout.EVALS)
  steps = [int(r['global_step']) for r in rows]
  return tune.cost(row, steps, [float(r[row.column]) for r in rows])


if __name__ == '__main__':
  out, *wanted = sys.argv[1:] or [tempfile.mkdtemp()]
  main(pathlib.Path(out), wanted)
