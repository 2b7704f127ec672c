"""Measures how long a trial takes until its first charged second.

    python -m tests.benchmarks.starts [CLONE] [workload ...]

A submission that only notes the time is raced on every mini workload, by the
commands of a race, in a results folder of its own. The first trial of a folder
compiles and generates what later trials find; the later ones are measured. With
a CLONE of the project, trials of both are run in turns.
"""

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

ROUNDS = 5
HERE = pathlib.Path(__file__).parents[2]
CHILD = '--race'
# The first charged account runs as soon as the file of a submission does.
PROBE = '''"""Notes the seconds that its process has spent so far."""
import json
import time

import jax

SELF = {}


def build(task):
  """Print processor seconds of the main thread and of all; then stop."""
  found = {
    'now': time.monotonic(),
    'main': time.thread_time(),
    'all': time.process_time(),
  }
  print('probe ' + json.dumps(found), flush=True)
  raise ValueError('It only notes the time.')
'''


def main(words: list[str]) -> None:
  """Print a table with one row per workload."""
  clones = [HERE, *(pathlib.Path(w) for w in words if os.path.isdir(w))]
  chosen = [w for w in words if not os.path.isdir(w)] or list(_minis())
  print('| workload | main thread | all threads | wall | programs |')
  print('|---' * 5 + '|')
  for name in chosen:
    with tempfile.TemporaryDirectory() as home:
      races = [Race(clone, name, home, n) for n, clone in enumerate(clones)]
      rounds = [[race.next() for race in races] for _ in range(1 + ROUNDS)][1:]
      for race in races:
        race.close()
    for number, clone in enumerate(clones):
      found = [one[number] for one in rounds]
      cells = (_shown([row[what] for row in found]) for what in found[0])
      print(f'| {name}, {clone.name} |', ' | '.join(cells), '|', flush=True)
    for number in range(1, len(clones)):
      ratios = [one[0]['main'] / one[number]['main'] for one in rounds]
      print(
        f'| of {clones[number].name} | {_shown(ratios)} | | | |', flush=True
      )


class Race:
  """A process that races the probe, one trial after another."""

  def __init__(self, clone: pathlib.Path, workload: str, home: str, n: int):
    self._process = subprocess.Popen(
      [sys.executable, '-P', __file__, CHILD, workload, f'{home}/{n}'],
      env=os.environ | {'PYTHONPATH': str(clone)},
      cwd=clone,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      encoding='utf-8',
    )

  def next(self) -> dict[str, float]:
    """Run a trial; return its seconds and its number of programs."""
    assert self._process.stdin and self._process.stdout
    print(file=self._process.stdin, flush=True)
    for line in self._process.stdout:
      if line.startswith('probe '):
        return json.loads(line.removeprefix('probe '))
    raise RuntimeError('The race has ended.')

  def close(self) -> None:
    """End the race."""
    self._process.communicate()


def race(workload: str, folder: str) -> None:
  """Race a probe; run a trial for every line of standard input."""
  from runner import planning
  from runner.launch import attempt, environment, planned_trial
  from runner.launch.examiner import Examiner
  from runner.machine import hardware
  from runner.protocol.suites import suite as rules

  home = pathlib.Path(folder)
  home.mkdir()
  probe = home / 'probe.py'
  probe.write_text(PROBE, encoding='utf-8')
  suite = rules.load('mini')
  row = (suite.workloads | suite.unscored)[workload]
  one = dataclasses.replace(
    suite.rulesets['self'], studies=1 + ROUNDS, trials=1
  )
  only = dataclasses.replace(
    suite, workloads={workload: row}, unscored={}, rulesets={'self': one}
  )
  plan = planning.make_endless(only, 'self', [str(probe)], hardware.describe())
  out = home / 'results'
  with _examiner(Examiner, environment, out) as examiner:
    for trial, _ in zip(plan.trials, sys.stdin, strict=False):
      planned_trial.run_trial(
        out,
        plan,
        trial,
        lambda event: None,
        attempt.TrialOptions(),
        examiner=examiner,
      )
      print('probe ' + json.dumps(_noted(trial.folder(out))), flush=True)


def _examiner(kind: Any, environment: Any, out: pathlib.Path) -> Any:
  from runner.launch import compiled

  common = compiled.folder(out, compiled.COMMON)
  return kind(environment.variables(), common=common)


def _noted(folder: pathlib.Path) -> dict[str, float]:
  lines = (folder / 'trial.log').read_text(encoding='utf-8').splitlines()
  line = next(line for line in lines if line.startswith('probe '))
  found = json.loads(line.removeprefix('probe '))
  text = (folder / 'attempts.jsonl').read_text(encoding='utf-8')
  end = next(e for e in map(json.loads, text.splitlines()) if 'accounts' in e)
  accounts = end['accounts']
  return {
    'main': found['main'],
    'all': found['all'],
    'wall': accounts['setup'],
    'programs': end['compiled']['programs'],
  }


def _minis() -> Iterator[str]:
  from runner.protocol.suites import suite as rules

  suite = rules.load('mini')
  return (n for n in suite.workloads if n.endswith('/mini'))


def _shown(values: list[float]) -> str:
  low, middle, high = statistics.quantiles(values, n=4)
  return f'{middle:.3g} ({low:.3g}, {high:.3g})'


if __name__ == '__main__':
  if sys.argv[1:2] == [CHILD]:
    race(*sys.argv[2:])
  else:
    main(sys.argv[1:])
