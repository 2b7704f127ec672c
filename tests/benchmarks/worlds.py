"""Compare worlds: are targets equally hard there, and do ranks agree?

    python -m tests.benchmarks.worlds --out=FOLDER [--targets=WORKLOAD,...]

First NAdamW trains at its SELF on every mini workload in every world. Then, for
the workloads of --targets, targets are set by one protocol in every world
(TUNED, POINTS and SEEDS, on three quarters of the step budget, see
`runner/tools/set_targets.py`), and RACERS train at their SELF. All trials stop
by steps and see no target, so a busy machine changes nothing. A stopped command
continues where it was; trials that the folder has do not run again. On two busy
cores a trial takes 30 to 60 seconds: 27 of them, and 42 for each of --targets.
"""

import argparse
import dataclasses
import itertools
import math
import pathlib
import statistics

from runner import planning
from runner.executors import race
from runner.launch.attempt import TrialOptions
from runner.machine import hardware
from runner.protocol import layout
from runner.protocol.suites import suite as rules
from runner.tools import set_targets
from runner.tools.tuning import candidates

WORLDS = (0, 1, 2)  # Those of mini and mini_tuning, and another one.
TUNED, POINTS, SEEDS = ('adamw', 'nesterov'), 3, 3
RACERS = ('nadamw', 'adamw', 'muon', 'soap', 'lion', 'schedule_free', 'lamb')


def main(out, names):
  """Train what is missing, and print a table after each part."""
  suite = rules.load('mini')
  for name in sorted(suite.workloads, key=lambda name: name not in names):
    for world in WORLDS:
      raced(out, within(suite, name, world), ['nadamw'])
    print(seen(out, suite, name), flush=True)
  for name in names:
    specs = [aimed(out, within(suite, name, world)) for world in WORLDS]
    for world in WORLDS:
      raced(out, within(suite, name, world), RACERS)
    print(compared(out, name, specs), flush=True)


def within(suite, name, world):
  """Return a suite of one workload in a world, without a target."""
  row = dataclasses.replace(suite.workloads[name], world=world, target=None)
  one = rules.Ruleset(studies=1, trials=1, budget_factor=1.0)
  return dataclasses.replace(
    suite, workloads={name: row}, unscored={}, rulesets={'self': one}
  )


def place(out, suite):
  """Return the folder of a suite of one workload."""
  [row] = suite.workloads.values()
  return out / row.workload.replace('/', '_') / f'world_{row.world}'


def raced(out, suite, entries):
  """Train submissions at their SELF over the whole step budget."""
  plan = planning.make_endless(suite, 'self', entries, hardware.describe())
  race.run(
    place(out, suite) / 'raced', plan, TrialOptions(), limits=race.by_steps
  )


def aimed(out, suite):
  """Return the workload with a target that is set by the protocol."""
  [(name, row)] = suite.workloads.items()
  found = set_targets.set_all(
    suite,
    TUNED,
    points=POINTS,
    seeds=SEEDS,
    machine=hardware.describe(),
    out=place(out, suite),
    options=TrialOptions(),
  )
  return dataclasses.replace(row, target=found[name].target)


def curve(out, suite, entry):
  """Return a submission's evaluations."""
  [row] = suite.workloads.values()
  folder = place(out, suite) / 'raced'
  path = layout.folder(folder, entry, row.workload, 0, 1)
  return candidates.curve(path, row)


def best(row, values):
  """Return the best finite value, or NaN."""
  known = [value for value in values if math.isfinite(value)]
  better = min if row.better == 'lower' else max
  return better(known) if known else math.nan


def seen(out, suite, name):
  """Return NAdamW's first and best values in every world, as a table's row.

  The third number is the share of the step budget until nine tenths of the way
  from the first to the best value.

  Args:
    out: The folder.
    suite: The suite mini.
    name: The workload.
  """
  row, cells = suite.workloads[name], []
  for world in WORLDS:
    found = curve(out, within(suite, name, world), 'nadamw')
    top, first = best(row, found.values), found.values[0]
    near = dataclasses.replace(row, target=top + (first - top) / 10)
    share = candidates.cost(near, found)
    cells.append(f'{first:.4g} to {top:.4g}, {share:.2f}')
  return f'| {name} | {row.metric} | {" | ".join(cells)} |'


def compared(out, name, specs):
  """Return costs of all racers in every world, and how far ranks agree.

  A cost is the share of the step budget until the target, or 2 to 4 for a miss,
  as in `runner/tools/tuning/candidates.py`.

  Args:
    out: The folder.
    name: The workload.
    specs: The workload with its target, in every world.
  """
  suite, costs = rules.load('mini'), []
  for spec in specs:
    own = within(suite, name, spec.world)
    costs.append([candidates.cost(spec, curve(out, own, r)) for r in RACERS])
  targets = ' | '.join(f'{spec.target:.4g}' for spec in specs)
  lines = [f'| {name} | {targets} |']
  for racer, row in zip(RACERS, zip(*costs, strict=True), strict=True):
    lines.append(f'| {racer} | {" | ".join(f"{x:.2f}" for x in row)} |')
  rho, tau = agreement(costs)
  lines.append(f'Pairs of worlds, mean: Spearman {rho:.2f}, Kendall {tau:.2f}')
  return '\n'.join(lines)


def agreement(costs):
  """Return mean rank correlations over all pairs: Spearman's and Kendall's."""
  from scipy import stats

  pairs = list(itertools.combinations(costs, 2))
  return tuple(
    statistics.mean(float(measure(*pair).statistic) for pair in pairs)
    for measure in (stats.spearmanr, stats.kendalltau)
  )


if __name__ == '__main__':
  PARSER = argparse.ArgumentParser(description=__doc__)
  PARSER.add_argument('--out', type=pathlib.Path, required=True)
  PARSER.add_argument('--targets', default='')
  GIVEN = PARSER.parse_args()
  main(GIVEN.out, [name for name in GIVEN.targets.split(',') if name])
