"""Measure what a compilation cache saves, and that it changes nothing else.

python -m tests.benchmarks.compiled [workload ...]

Processes train with NAdamW, in turn with a cache that has all programs and
without a cache. 'spared' are wall-clock seconds, 'charged' the clock's seconds
of compilation, and steps are medians. Ratios are with the cache to without,
with the least and the most of all rounds. Final parameters must be the same to
the bit.
"""

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time

import jax

import submissions
import workloads
from runner.guard.company import Company
from runner.launch import environment
from runner.trial import compile_time, task as tasks
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from submissions.submission import Start
from tests.benchmarks import losses

NAMES = ('ogbg/mini', 'imagenet_resnet/mini', 'librispeech_conformer/mini')
ROUNDS, STATES, SKIP = 5, 16, 3
CHILD = '--measure'


def main(names):
  """Print a table with one row per workload."""
  print('| workload | programs | spared s | charged | a step |')
  print('|---|---|---|---|---|')
  for name in names or NAMES:
    with tempfile.TemporaryDirectory() as folder:
      child(name, folder)  # The first run fills the cache.
      rounds = [(child(name, folder), child(name)) for _ in range(ROUNDS)]
    found, fresh = zip(*rounds, strict=True)
    assert len({row['digest'] for row in found + fresh}) == 1
    assert all(row['found'] == row['programs'] for row in found)
    spared = [b['wall'] - a['wall'] for a, b in rounds]
    print(
      f'| {name} | {found[0]["programs"]} | {statistics.median(spared):.1f} '
      f'| {ratios(rounds, "compile")} | {ratios(rounds, "step")} |',
      flush=True,
    )


def ratios(rounds, what):
  """Return the ratio of `what` with the cache to without, as text."""
  found = sorted(a[what] / b[what] for a, b in rounds)
  return f'{statistics.median(found):.2f} ({found[0]:.2f}, {found[-1]:.2f})'


def child(name, folder=None):
  """Measure in a process of its own; `folder` is the cache, if any."""
  own = environment.variables() | environment.CACHE
  if folder is None:
    own['JAX_ENABLE_COMPILATION_CACHE'] = 'false'
  else:
    own['JAX_COMPILATION_CACHE_DIR'] = folder
  done = subprocess.run(
    [sys.executable, '-m', __spec__.name, CHILD, name],
    env=own,
    stdout=subprocess.PIPE,
    check=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


def measure(name):
  """Print one line of JSON about a short training."""
  row = losses.row(name)
  workload = workloads.get(row.workload, row.quirks, row.world)
  trial_task = tasks.TrialTask(
    workload=workload,
    sources={'train': workload.source('train', None)},
    spec=row,
  )
  entry = submissions.find('nadamw')
  clock = Clock()
  task = tasks.for_submission(trial_task)
  submission = submissions.make(entry.path, task, entry.self_point)
  seconds = []
  began = time.perf_counter()
  with (
    compile_time.noticed(clock, Company()) as compiled,
    clock.account('train'),
  ):
    model = jax.jit(workload.init)(jax.random.key(0))
    feed = Feed(trial_task.sources['train'], 0, clock)
    start = Start(model, jax.random.key(1), feed, [])
    last = time.perf_counter()
    for state in submission.train(start):
      leaves = jax.block_until_ready(jax.tree.leaves(submission.model(state)))
      seconds.append(time.perf_counter() - last)
      last += seconds[-1]
      if len(seconds) == STATES:
        break
  digest = hashlib.sha256(b''.join(map(bytes, jax.device_get(leaves))))
  facts = {
    'programs': compiled.programs,
    'found': compiled.found,
    'wall': time.perf_counter() - began,
    'compile': clock.accounts()['compile'],
    'step': statistics.median(seconds[SKIP:]),
    'digest': digest.hexdigest(),
  }
  print(json.dumps(facts))


if __name__ == '__main__':
  if sys.argv[1:2] == [CHILD]:
    measure(sys.argv[2])
  else:
    main(sys.argv[1:])
