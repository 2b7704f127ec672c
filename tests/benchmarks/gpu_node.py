"""What a GPU node does in ten minutes: published models, and a race of minis.

python -m tests.benchmarks.gpu_node [--minutes=10] [--out=results-gpu]

One training step of every published model at the batch of one of eight devices
(step and compile seconds, peak memory), eight-bit optimizers beside optax, then
a race of NAdamW on all of the suite `mini` with its leaderboard. What there is
no time for is said, and the same command goes on with the race.

This process itself leaves the GPU alone: JAX would take most of its memory.
"""

import argparse
import importlib.metadata
import os
import platform
import signal
import subprocess
import sys
import time

from runner.machine import hardware, speeds as speeds_

SHARES = {  # Of the time that is left, at most.
  'tests.benchmarks.published_sizes': 0.5,
  'tests.benchmarks.eight_bit': 0.3,
}


def main():
  parser = argparse.ArgumentParser()
  parser.add_argument('--minutes', type=float, default=10.0)
  parser.add_argument('--out', default='results-gpu')
  flags = parser.parse_args()
  deadline = time.monotonic() + 60 * flags.minutes
  machine = {**hardware.describe().facts, **speeds_.state()}
  print(', '.join(f'{name}: {value}' for name, value in machine.items()))
  version = importlib.metadata.version('jax')
  print(f'jax {version}, {platform.platform()}', flush=True)

  def left():
    return deadline - time.monotonic()

  for module, share in SHARES.items():
    within(share * left(), module)
  within(
    left(),
    'runner',
    'run',
    '--suite=mini',
    '--submissions=nadamw',
    '--studies=1',
    '--nopreflight',
    f'--out={flags.out}',
  )
  within(60, 'scoring', flags.out, '--noreport')


def within(seconds, module, *words):
  """Runs a module; asks it and all it has started to leave in time."""
  print(f'\n$ python -m {" ".join([module, *words])}', flush=True)
  start = time.monotonic()
  command = [sys.executable, '-m', module, *words]
  child = subprocess.Popen(command, start_new_session=True)
  try:
    child.wait(max(1.0, seconds))
  except subprocess.TimeoutExpired:
    os.killpg(child.pid, signal.SIGTERM)
    child.wait()
    print(f'Stopped: its {seconds:.0f} s are over.')
  print(f'({time.monotonic() - start:.0f} s)', flush=True)


if __name__ == '__main__':
  main()
