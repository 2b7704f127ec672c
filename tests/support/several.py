"""Train a few steps on several devices or hosts, for tests that compare them.

    python -m tests.support.several FOLDER CASE...

prints the figures of the cases as JSON and writes their checkpoints into the
folder. A case is written as by `Case.__str__`. With host:K:N:PORT in place of
the folder, the process is host K of N and writes no checkpoints.
"""

import itertools
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest import mock

import jax
import numpy as np

import submissions
from runner.launch import environment, remote_hosts
from runner.trial import checkpoint, devices, evaluate
from runner.trial.clock import Clock
from runner.trial.feed import Feed
from runner.trial.state_tree import Flattener
from submissions.submission import Start, Submission, Task
from tests.support.tiny import tiny

ROOT = pathlib.Path(__file__).parents[2]
SIZE, STEPS, SAVED = 16, 4, 2  # Batch size, steps, and steps before saving.
# Neither number divides by eight devices.
EVAL_SIZE, EVAL_EXAMPLES = 20, 36


class Case(NamedTuple):
  """One training run."""

  workload: str
  submission: str
  shard: bool = False  # True to shard the submission's state over devices.
  stack: int = 1  # Steps per dispatch.
  ahead: bool = False  # True to feed the devices as if they were accelerators.

  def __str__(self) -> str:
    options = [name for name in ('shard', 'ahead') if getattr(self, name)]
    return ':'.join([self.workload, self.submission, str(self.stack), *options])


def parsed(text: str) -> Case:
  """Return the case that `Case.__str__` wrote."""
  workload, submission, stack, *options = text.split(':')
  return Case(
    workload, submission, 'shard' in options, int(stack), 'ahead' in options
  )


def figures(case: Case, folder: pathlib.Path | None = None) -> dict[str, Any]:
  """Train STEPS steps and return 'losses', 'norms', 'metrics' and 'bytes'.

  Args:
    case: The training run.
    folder: Folder for a checkpoint after SAVED steps; None: no checkpoint.

  Returns:
    A table; 'bytes' is the size of the state on the first device, 'all_bytes'
    on all devices.
  """
  found: dict[str, Any] = {'losses': [], 'norms': []}
  state = None
  with mock.patch.object(devices, 'accelerated', lambda: case.ahead):
    submission, start = _begun(case)
    for state in _states(submission.train(start), case.ahead):
      _look(submission, state, found)
      if folder and len(found['losses']) == SAVED:
        checkpoint.save(
          folder, SAVED, checkpoint.snapshot(Flattener()(state).leaves), {}
        )
  problem = tiny(case.workload)
  source = problem.source('validation', None)
  model = submission.model(state)
  found['metrics'] = evaluate.evaluate(
    problem, model, source, EVAL_SIZE, EVAL_EXAMPLES
  )
  arrays = [x for x in jax.tree.leaves(state) if isinstance(x, jax.Array)]
  found['bytes'] = sum(x.addressable_shards[0].data.nbytes for x in arrays)
  found['all_bytes'] = sum(x.nbytes for x in arrays)
  return found


def resumed(case: Case, folder: pathlib.Path) -> list[float]:
  """Return the losses after a checkpoint, which any layout may have written."""
  submission, start = _begun(case)
  template = next(submission.train(start))
  found = checkpoint.load(folder)
  assert found is not None
  start.batches.steps = SAVED * case.stack
  start.batches.examples = SAVED * case.stack * SIZE
  state = checkpoint.restore(template, found.arrays)
  losses = {'losses': [], 'norms': []}
  start = start._replace(state=state)
  for state in itertools.islice(submission.train(start), STEPS - SAVED):
    _look(submission, state, losses)
  return losses['losses']


def _states(states: Iterator, ahead: bool) -> Iterator:
  """Yield STEPS states; with `ahead`, steps must not copy to a device.

  The first step compiles, and may copy constants.
  """
  for number in range(STEPS):
    with jax.transfer_guard('disallow' if ahead and number else 'allow'):
      state = next(states)
    yield state


def _look(submission: Submission, state, found: dict[str, Any]) -> None:
  scalars = submission.scalars(state)
  found['losses'].append(float(scalars['loss']))
  found['norms'].append(float(scalars['grad_norm']))


def _begun(case: Case) -> tuple[Submission, Start]:
  problem = tiny(case.workload)
  source = problem.source('train', None)
  entry = submissions.find(case.submission)
  task = Task(problem, 100, SIZE, len(source), case.stack)
  options = {'dropout': 0.1, 'label_smoothing': 0.1}
  known = {k: v for k, v in options.items() if k in (entry.optional or ())}
  init, key = jax.random.split(jax.random.key(0))
  return submissions.make(entry.path, task, entry.self_point | known), Start(
    devices.replicate(jax.jit(problem.init)(init)),
    devices.replicate(key),
    Feed(source, 0, Clock()),
    place=devices.spread if case.shard else devices.whole,
  )


def on(count: int, cases: list[Case], folder: pathlib.Path) -> dict:
  """Return figures by case, from a process with `count` virtual devices.

  Args:
    count: Number of devices.
    cases: The training runs.
    folder: Folder for checkpoints.
  """
  [found] = _together(count, [str(folder)], cases)
  return found


def on_hosts(count: int, cases: list[Case]) -> dict:
  """Return figures by case, from `count` processes with one device each."""
  port = remote_hosts.free_port()
  places = [f'host:{number}:{count}:{port}' for number in range(count)]
  return _together(1, places, cases)[0]


def _together(devices: int, places: list[str], cases: list[Case]) -> list[dict]:
  flags = os.environ.get('XLA_FLAGS', '')
  own = {
    'JAX_PLATFORMS': 'cpu',
    'XLA_FLAGS': f'{environment.XLA_FLAGS} {flags} '
    f'--xla_force_host_platform_device_count={devices}',
  }
  children = [
    subprocess.Popen(
      [sys.executable, '-m', 'tests.support.several', place, *map(str, cases)],
      env=os.environ | own,
      cwd=ROOT,
      stdout=subprocess.PIPE,
      text=True,
    )
    for place in places
  ]
  printed = [child.communicate()[0] for child in children]
  assert not any(child.returncode for child in children)
  return [
    {parsed(case): found for case, found in json.loads(lines).items()}
    for lines in (text.splitlines()[-1] for text in printed)
  ]


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
  """Return the largest relative difference of losses, norms and metrics."""

  def values(found):
    metrics = [value for _, value in sorted(found['metrics'].items())]
    return np.array(found['losses'] + found['norms'] + metrics)

  a, b = values(one), values(other)
  return float(np.max(np.abs(a - b) / (np.abs(a) + 1e-6)))


def name(case: Case) -> str:
  """Return the name of a case's checkpoint folder."""
  return str(case).replace('/', '_')


def main(place: str, *texts: str) -> None:
  """Print the figures of all cases as JSON."""
  kind, _, rest = place.partition(':')
  folder = None
  if kind == 'host':
    number, count, port = map(int, rest.split(':'))
    jax.distributed.initialize(
      f'localhost:{port}', count, number, cluster_detection_method='deactivate'
    )
  else:
    folder = pathlib.Path(place)
  found = {}
  for text in texts:
    case = parsed(text)
    found[text] = figures(case, folder and folder / name(case))
  print(json.dumps(found))


if __name__ == '__main__':
  main(*sys.argv[1:])
