"""Tests that two clones of the project train the same models, to the bit.

    python -m tests.benchmarks.same_trials CLONE [workload ...]

NAdamW is raced for some steps by both clones, as `timetrial run` does it: with
compiled programs and generated data that all trials share. The arrays of the
last checkpoint and all metrics must be the same.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parents[2]
CHILD = '--race'
STEPS = 8


def main(words):
  """Print one line per workload; return 1 if any differs.

  Args:
    words: The other clone, and names of workloads; none: all minis.
  """
  clones = [HERE, pathlib.Path(words[0])]
  from runner.protocol.suites import suite as rules

  chosen = words[1:] or [
    name for name in rules.load('mini').workloads if name.endswith('/mini')
  ]
  bad = 0
  for name in chosen:
    first, second = (raced(clone, name) for clone in clones)
    bad += first != second
    told = 'the same' if first == second else f'{first} {second}'
    print(f'{name}: {told}', flush=True)
  return 1 if bad else 0


def raced(clone, workload):
  """Return the hash of the last state, and metrics, of a trial of a clone.

  Args:
    clone: Folder of the clone.
    workload: Name of the workload.
  """
  done = subprocess.run(
    [sys.executable, '-P', __file__, CHILD, workload],
    env=os.environ | {'PYTHONPATH': str(clone)},
    cwd=clone,
    stdout=subprocess.PIPE,
    encoding='utf-8',
    check=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


def race(workload):
  """Race one trial by the code in PYTHONPATH; print what it has recorded.

  Args:
    workload: Name of the workload.
  """
  from runner import planning
  from runner.launch import attempt, compiled, environment, planned_trial
  from runner.launch.examiner import Examiner
  from runner.machine import hardware
  from runner.protocol import layout, storage
  from runner.protocol.suites import suite as rules
  from runner.protocol.trial_file import StepLimits
  from runner.trial import checkpoint

  suite = rules.load('mini')
  row = (suite.workloads | suite.unscored)[workload]
  one = dataclasses.replace(suite.rulesets['self'], studies=1, trials=1)
  only = dataclasses.replace(
    suite, workloads={workload: row}, unscored={}, rulesets={'self': one}
  )
  plan = planning.make_endless(only, 'self', ['nadamw'], hardware.describe())
  with tempfile.TemporaryDirectory() as home:
    out = pathlib.Path(home) / 'results'
    common = compiled.folder(out, compiled.COMMON)
    with Examiner(environment.variables(), common=common) as examiner:
      planned_trial.run_trial(
        out,
        plan,
        plan.trials[0],
        lambda event: None,
        attempt.TrialOptions(),
        limits=StepLimits(steps=STEPS, eval_steps=STEPS // 2),
        examiner=examiner,
      )
    folder = plan.trials[0].folder(out)
    rows = storage.read_rows(folder / layout.EVALS)
    found = checkpoint.load(folder / layout.CHECKPOINT, print)
    metrics = [{n: x for n, x in row.items() if '/' in n} for row in rows]
    print(json.dumps([checkpoint.digest(found.arrays), metrics]))


if __name__ == '__main__':
  if sys.argv[1:2] == [CHILD]:
    race(sys.argv[2])
  else:
    sys.exit(main(sys.argv[1:]))
