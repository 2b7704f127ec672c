"""Real races on the handwritten digits, from the command line."""

import pathlib
import subprocess
import sys
import time

from runner.machine import hardware, speeds as speeds_
from runner.protocol import layout, storage, suite as rules
from runner.protocol.plan import Speed
from runner.trial import checkpoint
from tests.support import suites

ROOT = pathlib.Path(__file__).parents[2]
LONG = 600.0  # Seconds that nothing here takes, however busy the machine.
MINE = '''"""A submission of a user's."""
import itertools, os, time
import jax, jax.numpy as jnp
from submissions.algorithms import nadamw
from submissions.submission import Submission
def build(task, *, steps, {argument}=None):
  inner = nadamw.build(
    task._replace(steps=10_000, batch_size={batch}), **nadamw.SELF
  )
  {build}
  def train(start):
    for state in inner.train(start):
      {step}
      yield state
      if state.done >= steps:
        return
  return Submission(train, inner.model, inner.scalars)
SELF = {{'steps': {steps}}}
'''


def suite(
  home,
  target=0.0,  # Which nothing here reaches.
  steps=400,
  batch=16,
  seconds=600.0,
  evaluations=5,
  hosts=1,
  trials=1,
):
  """A suite's file; its steps are worth so many seconds on such machines."""
  path = home / 'tiny.toml'
  path.write_text(
    suites.digits(
      target=target,
      steps=steps,
      batch_size=batch,
      evaluations=evaluations,
      trials=trials,
    )
  )
  machine = hardware.describe(hosts)
  loaded = rules.load(str(path))
  speed = Speed(seconds, 0.0)
  speeds_.save(home / 'hardware', machine, loaded, {'digits': speed})
  return path


def mine(
  home, name, steps=40, build='', step='', argument='unused', batch=None
):
  path = home / f'{name}.py'
  path.write_text(
    MINE.format(
      steps=steps,
      build=build or 'pass',
      step=step or 'pass',
      argument=argument,
      batch=batch or 'task.batch_size',
    )
  )
  return path


def paced(quick):
  """A `step` of half a second, until there is a file called `quick`.

  A test that stops such a trial on its way need not hurry: on a busy machine, a
  trial of so many seconds may be over before its test sees it run.
  """
  return f'os.path.exists({str(quick)!r}) or time.sleep(0.5)'


def command(home, *words, **options):
  options |= {'hardware_dir': home / 'hardware'}
  return [sys.executable, '-m', 'runner', *words] + [
    f'--{name}={value}' for name, value in options.items()
  ]


def run(home, *words, **options):
  return subprocess.run(
    command(home, *words, **options),
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=LONG,
    check=False,
  )


def folder(out, name):
  return layout.folder(out, name, 'digits', 0, 1)


def under_way(home, *, out, evaluations=1, **flags):
  """A runner, the folder of its trial `mine` and that one's process.

  The trial is past as many more evaluations.
  """
  rows = len(storage.read_rows(folder(out, 'mine') / layout.EVALS))
  runner = subprocess.Popen(
    command(home, 'run', **flags, out=out, attempts=1),
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
  )
  path = folder(out, 'mine')
  deadline = time.monotonic() + LONG
  while len(storage.read_rows(path / layout.EVALS)) < rows + evaluations:
    assert time.monotonic() < deadline
    time.sleep(0.02)
  *_, start = storage.read_lines(path / layout.ATTEMPTS)
  return runner, path, start['pid']


def final(path):
  """Step and digest of the last checkpoint."""
  found = checkpoint.load(path / 'checkpoint')
  return found.facts['steps'], checkpoint.digest(found.arrays)


def curve(path):
  return [
    (row['global_step'], row['loss'], row['grad_norm'])
    for row in storage.read_rows(path / layout.SCALARS)
  ]
