"""Run real races on the handwritten digits from the command line.

Almost all submissions here are the same training under another name, or with
other Python code around it. Most of a short trial's processor time goes to
compiling, so these submissions share a folder of compiled programs, though the
runner gives each submission its own.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import time

from runner.launch import compiled
from runner.machine import hardware, speeds as speeds_
from runner.protocol import layout, storage
from runner.protocol.plan import Speed
from runner.protocol.suites import suite as rules
from runner.trial import checkpoint
from tests.support import suites

ROOT = pathlib.Path(__file__).parents[2]
LONG = 600.0  # Timeout in seconds, far above any run on a busy machine.
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
  target=0.0,  # No submission reaches this target.
  steps=400,
  batch=16,
  seconds=600.0,
  evaluations=5,
  hosts=1,
  trials=1,
):
  """Write a suite of the digits, and a calibration that sets its budget.

  Args:
    home: The folder to write to.
    target: The target error rate.
    steps: Steps of the budget.
    batch: Batch size.
    seconds: Seconds of the budget.
    evaluations: Evaluations within the budget.
    hosts: Number of hosts of the calibrated machine.
    trials: Trials per study with external tuning.

  Returns:
    The suite's path.
  """
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
  speed = Speed(0.0, 0.0, seconds)
  speeds_.save(home / 'hardware', machine, loaded, {'digits': speed})
  return path


def mine(
  home, name, steps=40, build='', step='', argument='unused', batch=None
):
  """Write a submission that runs the given code, and return its path.

  Args:
    home: The folder to write to.
    name: The submission's name.
    steps: Steps after which the submission ends.
    build: A statement that runs once.
    step: A statement that runs at every step.
    argument: Name of an additional hyperparameter.
    batch: An expression for the batch size.
  """
  share_compiled(name)
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


def share_compiled(name):
  """Let trials of a submission find what those of others have compiled."""
  if place := os.environ.get(compiled.PLACE):
    cache = pathlib.Path(place)
    (cache / 'races').mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
      (cache / name).symlink_to('races')


def paced(quick):
  """Return a `step` that takes half a second until the file `quick` exists.

  A test can stop such a trial at any time. On a busy machine, a trial of a
  fixed duration may be over before its test sees it run.
  """
  return f'os.path.exists({str(quick)!r}) or time.sleep(0.5)'


def command(home, *words, **options):
  """Return the command line of the runner with these words and flags."""
  options |= {'hardware_dir': home / 'hardware'}
  return [sys.executable, '-m', 'runner', *words] + [
    f'--{name}={value}' for name, value in options.items()
  ]


def hearing(words):
  """Return a command line that heeds Ctrl-C, whoever starts it.

  Shells have what they start in the background ignore SIGINT, and what that
  starts too: tests as well.
  """
  program = (
    'import os, signal, sys\n'
    'signal.signal(signal.SIGINT, signal.SIG_DFL)\n'
    'os.execv(sys.argv[1], sys.argv[1:])'
  )
  return [sys.executable, '-c', program, *words]


def run(home, *words, **options):
  """Run the runner to its end and return the completed process."""
  return subprocess.run(
    command(home, *words, **options),
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=LONG,
    check=False,
  )


def folder(out, name):
  """Return the folder of a submission's first trial."""
  return layout.folder(out, name, 'digits', 0, 1)


def under_way(home, *, out, evaluations=1, **flags):
  """Start a runner and wait for `evaluations` more evaluations of `mine`.

  Args:
    home: The folder with the suite and the calibration.
    out: The results folder.
    evaluations: Number of evaluations to wait for.
    **flags: Flags of the runner.

  Returns:
    The runner's process, the trial's folder, and the trial's process id.
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
  """Return step and digest of the last checkpoint."""
  found = checkpoint.load(path / 'checkpoint')
  return found.facts['steps'], checkpoint.digest(found.arrays)


def curve(path):
  """Return (step, loss, gradient norm) of every recorded step."""
  return [
    (row['global_step'], row['loss'], row['grad_norm'])
    for row in storage.read_rows(path / layout.SCALARS)
  ]
