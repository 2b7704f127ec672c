"""Learning-rate-free methods beside NAdamW, with their defaults and without.

python -m tests.benchmarks.learning_rate_free [folder] [workload ...]

What Kasimbeg et al. 2025, arXiv:2505.24005, compare, on a few cheap workloads
of the mini suite: a point chosen here (SELF) and the literature's one
(@default) for each method. Raced by steps, so the machine's speed does not
matter, and stopped at the target. For each workload the best value of its
metric and, where it reached the target, the share of the budget that it took;
over all of them the geometric mean of the costs by which `runner tune` chooses
points: that share, or 2 to 4 for a miss. One seed: small differences are noise.
SELF was chosen on imagenet_vit/mini and ogbg/mini, not on criteo1tb/mini. What
the folder has already is not run again. About fifteen minutes on two cores.
"""

import pathlib
import statistics
import sys
import tempfile

import submissions
from runner import engine, hardware, plan, race, records, rules, storage, tune

METHODS = (
  'dadapt_adamw', 'prodigy', 'dog', 'dowg', 'mechanic', 'momo', 'momo_adam',
  'cocob',
)  # fmt: skip
WORKLOADS = ('criteo1tb/mini', 'imagenet_vit/mini', 'ogbg/mini')


def main(folder, names):
  suite = rules.load('mini')
  one = rules.Ruleset(studies=1, trials=1, budget_factor=1.0)
  suite = suite._replace(
    workloads={name: suite.workloads[name] for name in names},
    rulesets={'self': one},
    unscored={},
  )
  entries = ['nadamw']
  for method in METHODS:
    points = submissions.find(method).points
    entries += [method, *(f'{method}@{point}' for point in points)]
  made = plan.make(suite, 'self', entries, hardware.describe(), {})
  made = made._replace(budgets=dict.fromkeys(names, plan.FOR_EVER))
  race.run(folder, made, engine.TERMS, race.by_steps)
  print('| submission | ' + ' | '.join(names) + ' | mean cost |')
  print('|---' * (len(names) + 2) + '|')
  for entry in entries:
    cells, costs = [], []
    for name in names:
      cell, cost = result(folder, entry, name, suite.workloads[name])
      cells.append(cell)
      costs.append(cost)
    mean = statistics.geometric_mean(costs)
    print(f'| {entry} | {" | ".join(cells)} | {mean:.2f} |')


def result(folder, entry, name, row):
  """A cell of the table and its cost."""
  path = records.folder(folder, entry, name, 0, 1)
  rows = storage.read_rows(path / records.EVALS)
  steps = [int(r['global_step']) for r in rows]
  values = [float(r[row.column]) for r in rows]
  cost = tune.cost(row, steps, values)
  known = [v for v in values if v == v]  # noqa: PLR0124  Not NaN.
  best = min if row.better == 'lower' else max
  text = f'{best(known):.4g}' if known else 'nan'
  return text + (f' ({cost:.2f})' if cost <= 1 else ''), cost


if __name__ == '__main__':
  out, *wanted = sys.argv[1:] or [tempfile.mkdtemp()]
  main(pathlib.Path(out), wanted or WORKLOADS)
