"""Compare learning-rate-free methods with NAdamW, tuned and with defaults.

python -m tests.benchmarks.learning_rate_free [folder] [workload ...]

The comparison of Kasimbeg et al. 2025, arXiv:2505.24005, on the suite mini:
each method has a point tuned there (SELF) and a point of the literature
(@default). Budgets are in steps, so the machine's speed does not matter, and
trials stop at the target.

The table has the share of the budget to the target for each workload, if
reached. The mean cost is the geometric mean over workloads of the cost that
`runner tune` uses: this share, or 2 to 4 for a miss. There is one seed, so
small differences are noise. Trials that the folder has already do not run
again. About 45 minutes on one core.
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
from runner.protocol import layout
from runner.protocol.plan import FOR_EVER
from runner.protocol.suites import suite as rules
from runner.tools.tuning import candidates

METHODS = (
  'dadapt_adamw', 'prodigy', 'dog', 'dowg', 'mechanic', 'momo', 'momo_adam',
  'cocob',
)  # fmt: skip


def main(folder, names):
  """Race all methods and print a table with one row per submission."""
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
  made = dataclasses.replace(made, budgets=dict.fromkeys(names, FOR_EVER))
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
  """Return the cost of a submission on a workload, see `runner tune`.

  Args:
    folder: The results folder.
    entry: The submission's name.
    row: The workload of the suite.
  """
  path = layout.folder(folder, entry, row.workload, 0, 1)
  return candidates.cost(row, candidates.curve(path, row))


if __name__ == '__main__':
  out, *wanted = sys.argv[1:] or [tempfile.mkdtemp()]
  main(pathlib.Path(out), wanted)
