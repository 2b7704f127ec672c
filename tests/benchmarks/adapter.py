"""Measure the overhead of the adapter for AlgoPerf's submissions.

`python -m tests.benchmarks.adapter` trains the same algorithm on the same data
in turn, round by round: written for TimeTrial, with one step per dispatch, and
written for AlgoPerf v0.6 and v0.5, through the adapter. All loops run as in a
trial between two evaluations. A part of the difference is in the submissions'
own code: v0.6 puts shardings on its step, v0.5 is mapped over devices.
"""

import itertools
import statistics
import subprocess
import sys
import time

import jax

import submissions
import workloads
from runner.launch import environment
from runner.trial import devices
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.monitor import Watch
from submissions.submission import Start, Task
from tests.benchmarks import losses
from tests.support.written import TWIN, V05, V06, goal

ROUNDS = 25
STEPS = {'digits': 200, 'criteo1tb/mini': 30, 'imagenet_vit/mini': 30}
WAYS = {'ours': TWIN, 'v0.6': V06, 'v0.5': V05}
KEY = jax.random.key(0)
CHILD = '--measure'


def rounds(name, path, count):
  """Train a submission; yield after every `count` steps, on an idle device.

  Args:
    name: The workload's name.
    path: The submission's file or folder.
    count: Steps between yields.
  """
  row = losses.row(name)
  workload = workloads.get(name)
  source = workload.source('train', None)
  entry = submissions.find(str(path))
  point = entry.space[0] if entry.self_point is None else entry.self_point
  task = Task(workload, 1_000_000, row.batch_size, len(source))
  submission = submissions.make(
    entry.path, task, point, goal(name, target=-1.0)
  )
  clock = Clock(wait=devices.wait)
  feed = Feed(source, 0, clock)
  model = devices.replicate(jax.jit(workload.init)(KEY))
  states = submission.train(Start(model, KEY, feed, []))
  watch = Watch(submission.scalars, 100)
  for n in itertools.count(1):
    watch(feed.steps, 0.0, next(states))
    if n % count == 0:
      devices.wait()
      yield


def measure(name):
  """Print a row for each way to write the submission."""
  count = STEPS[name]
  loops = {way: rounds(name, path, count) for way, path in WAYS.items()}
  times: dict[str, list[float]] = {way: [] for way in WAYS}
  for turn in range(ROUNDS + 1):
    for way, loop in loops.items():
      began = time.perf_counter()
      next(loop)
      if turn:  # The first round compiles.
        times[way].append((time.perf_counter() - began) / count)
  for way, found in times.items():
    ratios = [a / b for a, b in zip(found, times['ours'], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    more = 1e3 * (min(found) - min(times['ours']))
    print(
      f'| {name} | {way} | {1e3 * min(found):.2f} | {more:+.2f} | '
      f'{middle:.3f} ({low:.3f}, {high:.3f}) |',
      flush=True,
    )


def main():
  """Print the table, measured in a process of its own."""
  print('| workload | way | best ms a step | more than ours | pairwise |')
  print('|---|---|---|---|---|', flush=True)
  subprocess.run(  # A new process, because XLA reads flags only at its start.
    [sys.executable, '-m', __spec__.name, CHILD],
    env=environment.variables(),
    check=True,
  )


if __name__ == '__main__':
  if sys.argv[1:] == [CHILD]:
    for one in STEPS:
      measure(one)
  else:
    main()
