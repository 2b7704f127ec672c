"""Kill trials hundreds of times, and check that kills change nothing.

`python -m tests.benchmarks.faults` kills trials of three submissions on three
workloads 210 times in all, with SIGKILL: a third anywhere in the life of the
process, a third while the process trains, and a third while it writes a
checkpoint. Final parameters, evaluations and recorded scalars must be equal to
an undisturbed trial's to the bit. Ten to twenty minutes on two cores.
"""

import dataclasses
import itertools
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time

from runner import planning
from runner.machine import hardware
from runner.protocol.suites import suite as rules
from runner.protocol.trial_file import StepLimits
from tests.support import faults

KILLS = 210  # Default of the command's second argument; the first is the seed.
STEPS = {'digits': 3000, 'mnist/mini': 1500, 'imagenet_vit/mini': 100}
LOOKS = 12
SUBMISSIONS = ('nadamw', 'schedule_free', 'momentum_8bit')
# Compiling the same programs would take most of the time without a cache.
CACHE = {
  'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
  'JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES': '0',
}


def one(suite, workload: str, submission: str):
  """Return a plan of one trial.

  Args:
    suite: The suite mini.
    workload: The workload's name.
    submission: The submission's name.
  """
  row = (suite.workloads | suite.unscored)[workload]
  row = row._replace(steps=STEPS[workload])
  only = dataclasses.replace(suite, workloads={workload: row}, unscored={})
  single = only._replace(
    rulesets={'self': suite.rulesets['self']._replace(studies=1, trials=1)}
  )
  return planning.make_endless(
    single, 'self', [submission], hardware.describe()
  )


def main(seed: int = 1, kills: int = KILLS) -> int:
  """Kill trials, print each result, and return 1 if any trial differs."""
  suite, luck = rules.load('mini'), random.Random(seed)
  kinds = itertools.cycle(faults.KINDS)
  cells = [(w, s) for s in SUBMISSIONS for w in STEPS]
  left, ratios, bad = {}, [], 0
  total, cut, finished = 0, 0, 0
  with tempfile.TemporaryDirectory() as folder:
    home = pathlib.Path(folder)
    os.environ |= CACHE | {'JAX_COMPILATION_CACHE_DIR': str(home / 'compiled')}
    for number in itertools.count():
      if total >= kills:
        break
      cell = cells[number % len(cells)]
      made, steps = one(suite, *cell), STEPS[cell[0]]
      limits = StepLimits(steps=steps, eval_steps=steps // LOOKS)
      for again in range(2 if cell not in left else 0):
        began = time.monotonic()  # The second run finds all programs compiled.
        found = faults.alone(home / f'alone_{number}_{again}', made, limits)
        left[cell] = found, time.monotonic() - began
      whole, longest = left[cell]
      out = home / f'killed_{number}'
      found, times, writing = faults.killed(
        out, made, limits, kinds, whole, longest, luck
      )
      total, cut, finished = total + times, cut + writing, finished + 1
      wrong = faults.difference(whole, found)
      bad += bool(wrong)
      ratios.append(found.training / whole.training)
      print(
        f'{total:4d} kills, {cut} while writing; {cell[1]} on {cell[0]}: '
        f'{wrong or "no difference"}; {ratios[-1]:.3f} of its charged time',
        flush=True,
      )
  low, middle, high = statistics.quantiles(ratios, n=4)
  print(
    f'\n{finished} trials, {total} kills, {cut} of them while a checkpoint was '
    f'being written. {bad} trials differ from undisturbed trials. Charged time '
    f'without compilation, relative to undisturbed trials: {middle:.3f} '
    f'(quartiles {low:.3f}, {high:.3f}).'
  )
  return 1 if bad else 0


if __name__ == '__main__':
  sys.exit(main(*map(int, sys.argv[1:])))
