"""Measure published models on a GPU node, and run a race of the suite mini.

python -m tests.benchmarks.gpu_node [--minutes=10] [--out=results-gpu]

First, one training step of every published model at the batch of one of eight
devices (step and compile seconds, peak memory). Second, how batches of images
reach the devices: bytes, copies by the step, and waits. Third, eight-bit
optimizers and optax. Fourth, a race of NAdamW on the suite mini, with the
leaderboard. Each part stops when its time is over; the same command continues
the race.

This process itself does not use JAX, which would take most of the GPU's memory.
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

SHARES = {  # Largest share of the remaining time, by module.
  'tests.benchmarks.published_sizes': 0.5,
  'tests.benchmarks.feeding': 0.3,
  'tests.benchmarks.eight_bit': 0.3,
}


def main():
  """Run all parts within the time."""
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
  """Run a module; after `seconds`, send SIGTERM to all its processes."""
  print(f'\n$ python -m {" ".join([module, *words])}', flush=True)
  start = time.monotonic()
  command = [sys.executable, '-m', module, *words]
  child = subprocess.Popen(command, start_new_session=True)
  try:
    child.wait(max(1.0, seconds))
  except subprocess.TimeoutExpired:
    os.killpg(child.pid, signal.SIGTERM)
    child.wait()
    print(f'Stopped {module} after {seconds:.0f} s.')
  print(f'({time.monotonic() - start:.0f} s)', flush=True)


if __name__ == '__main__':
  main()
